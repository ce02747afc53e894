import Base
import BigCommerce
import Glibc
import Logging
import Storage
import Vault

@testable import Install
@testable import Spooling

/// Values for tests that do not care which.
enum Some {
  static let token = "token-canary-5521"

  static let logger: Logger = {
    var logger = Logger(label: "tests")
    logger.logLevel = .critical
    return logger
  }()

  struct Impossible: Error {}

  static func installation(_ store: String = "abc123") throws -> InstallationID {
    guard let store = StoreHash(store) else { throw Impossible() }
    return InstallationID(app: .default, store: store)
  }

  static func requestID(_ text: String = "r1") throws -> RequestID {
    guard let id = RequestID(text) else { throw Impossible() }
    return id
  }

  /// A keyring whose keys are made of their IDs; the first seals.
  static func keyring(_ ids: String...) throws -> Keyring {
    let entries = (ids.isEmpty ? ["k1"] : ids).map { id in
      let key = Array((id + String(repeating: "*", count: 32)).utf8.prefix(32))
      return "\(id):\(Base64.encode(key))"
    }
    return try Keyring(parsing: Secret(entries.joined(separator: ",")))
  }

  /// One spool record of each kind.
  static func records() throws -> [SpoolRecord] {
    let installation = try installation()
    let act = Act.bigCommerce(try requestID())
    let token = CallbackToken(
      installation: installation, jti: "jti-1", userID: 7, ownerID: 1,
      issuedAt: Timestamp(seconds: 1000), expiresAt: Timestamp(seconds: 2000))
    return [
      .install(
        InstallWrite(
          installation: installation, token: Secret(Some.token),
          scopes: Scopes(parsing: "store_v2_default store_v2_products"),
          authorizedAt: Timestamp(seconds: 900),
          installer: StoreUser(id: 7, email: "user@example.com", locale: "en"),
          owner: StoreUser(id: 1, email: nil), accountUUID: "acc", act: act),
        AttemptID(installation: installation, number: 5)),
      .uninstall(token, act),
      .removeUser(token, act),
    ]
  }

  /// Runs the body with a directory of its own.
  static func directory<T>(_ body: (String) async throws -> T) async throws -> T {
    var template = Array("/tmp/latchkey-spool-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw Impossible() }
    let path = String(cString: made)
    defer { removeTree(path) }
    return try await body(path + "/spool")
  }

  static func removeDirectory(_ path: String) throws {
    guard rmdir(path) == 0 else { throw Impossible() }
  }

  private static func removeTree(_ path: String) {
    guard let stream = opendir(path) else { return }
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name != ".", name != ".." else { continue }
      if unlink(path + "/" + name) != 0 { removeTree(path + "/" + name) }
    }
    closedir(stream)
    rmdir(path)
  }
}
