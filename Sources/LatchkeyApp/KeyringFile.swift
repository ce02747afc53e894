package import Base
package import Linux
package import Vault

/// Why the file with the encryption key cannot be used.
package enum KeyringFileError: Error, Equatable, CustomStringConvertible {
  /// Group or others have rights on it.
  case openToOthers(path: String)
  /// It belongs to another user, who could replace it.
  case ofAnotherUser(path: String)
  /// It does not hold a keyring.
  case malformed(path: String, KeyringError)
  /// It is not text.
  case notText(path: String)
  case system(SystemError)

  package var description: String {
    switch self {
    case .openToOthers(let path): "\(path) can be read by other users; run: chmod 600 \(path)"
    case .ofAnotherUser(let path): "\(path) belongs to another user of this machine"
    case .malformed(let path, let error): "\(path): \(error)"
    case .notText(let path): "\(path) is not text"
    case .system(let error): "\(error)"
    }
  }
}

/// The encryption key of a deployment that was given none: made once, readable by its owner only.
package struct KeyringFile: Sendable {
  package let path: String

  package init(path: String) {
    self.path = path
  }

  /// The ID of the key that is made.
  ///
  /// It is always the same: should the file be lost and another be made, the canary in the database
  /// tells the new key from the old one, and the start is refused.
  private static let keyID = "local"

  /// Reads the file, or makes it first.
  ///
  /// Of several processes that make it at once one wins, and all read what it wrote.
  package func openOrMake(random: RandomSource = .system) throws(KeyringFileError) -> Keyring {
    if Directory.facts(path) == nil { try make(random) }
    return try open(random: random)
  }

  /// Reads the file.
  package func open(random: RandomSource = .system) throws(KeyringFileError) -> Keyring {
    let (content, ownership) = try system { () throws(SystemError) in
      try SmallFile.readOwned(path, atMost: 65536)
    }
    guard !ownership.isOpenToOthers else { throw .openToOthers(path: path) }
    let user = UserAccount.currentUserID
    guard user == 0 || ownership.userID == user || ownership.userID == 0 else {
      throw .ofAnotherUser(path: path)
    }
    guard let text = String(validating: content, as: UTF8.self) else { throw .notText(path: path) }
    do throws(KeyringError) {
      return try Keyring(parsing: Secret(text), random: random)
    } catch {
      throw .malformed(path: path, error)
    }
  }

  private func make(_ random: RandomSource) throws(KeyringFileError) {
    guard let id = KeyID(Self.keyID) else { throw .malformed(path: path, .badID(entry: 1)) }
    if let slash = path.lastIndex(of: "/"), slash != path.startIndex,
      case .failure(let error) = Directory.make(String(path[..<slash]), mode: 0o711)
    {
      throw .system(error)
    }
    let line = Keyring.makeEntry(id, random: random).expose() + "\n"
    _ = try system { () throws(SystemError) in
      try SmallFile.createPrivate(path, Array(line.utf8))
    }
  }

  private func system<T>(
    _ body: () throws(SystemError) -> T
  ) throws(KeyringFileError) -> T {
    do throws(SystemError) {
      return try body()
    } catch {
      throw .system(error)
    }
  }
}

extension EncryptionKeySource {
  /// The keyring, made first when the settings leave that to us.
  package func keyring() throws(KeyringFileError) -> Keyring {
    switch self {
    case .given(let text):
      do throws(KeyringError) {
        return try Keyring(parsing: text)
      } catch {
        throw .malformed(path: SettingName.encryptionKey.rawValue, error)
      }
    case .file(let path): return try KeyringFile(path: path).openOrMake()
    }
  }
}
