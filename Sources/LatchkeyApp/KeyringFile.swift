import Base
import Linux
import Vault

/// Why there is no keyring to work with.
package enum KeyringProblem: Error, CustomStringConvertible {
  case malformed(String)
  case unreadable(path: String, reason: String)
  case openToOthers(path: String)

  package var description: String {
    switch self {
    case .malformed(let reason): "CREDENTIALS_ENCRYPTION_KEY: \(reason)"
    case .unreadable(let path, let reason): "the keyring in \(path) cannot be used: \(reason)"
    case .openToOthers(let path):
      "the keyring in \(path) can be read by others: run chmod 600 \(path), and rotate it if they could"
    }
  }
}

/// Finds the keyring where the settings say, or makes one in the data directory.
enum KeyringFile {
  static func load(_ source: EncryptionKeySource) throws(KeyringProblem) -> Keyring {
    switch source {
    case .given(let text): return try parse(text)
    case .file(let path):
      try makeIfMissing(path)
      return try read(path)
    }
  }

  private static func read(_ path: String) throws(KeyringProblem) -> Keyring {
    let bytes: [UInt8]
    let ownership: SmallFile.Ownership
    do throws(SystemError) {
      (bytes, ownership) = try SmallFile.readOwned(path)
    } catch {
      throw .unreadable(path: path, reason: "\(error)")
    }
    guard !ownership.isOpenToOthers else { throw .openToOthers(path: path) }
    return try parse(Secret(String(decoding: bytes, as: UTF8.self)))
  }

  private static func makeIfMissing(_ path: String) throws(KeyringProblem) {
    guard let id = KeyID("k1") else { return }
    let entry = Keyring.makeEntry(id).expose() + "\n"
    do throws(SystemError) {
      // An existing file is left alone: losing it would lose every token.
      _ = try SmallFile.createPrivate(path, Array(entry.utf8))
    } catch {
      throw .unreadable(path: path, reason: "\(error)")
    }
  }

  private static func parse(_ text: Secret<String>) throws(KeyringProblem) -> Keyring {
    do throws(KeyringError) {
      return try Keyring(parsing: text)
    } catch {
      throw .malformed("\(error)")
    }
  }
}
