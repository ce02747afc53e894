import Base
import Vault

/// Makes sessions, seals them for the cookie and opens them again.
///
/// Nothing is kept here: every replica with the keyring opens every session, also after a restart.
struct ConsoleSessions: Sendable {
  /// From login to the end, whatever happens.
  static let longest = Duration.seconds(12 * 3600)
  /// From the last page to the end.
  static let idle = Duration.seconds(3600)
  /// The cookie is written anew when it is older than this, and not with every page.
  static let freshFor = Duration.seconds(60)
  /// How far another replica's clock may be ahead.
  private static let leeway = Duration.seconds(60)

  let keyring: Keyring
  let clock: WallClock
  let random: RandomSource

  func begin(keyID: String, user: String?) -> ConsoleSession {
    let now = clock.now()
    return ConsoleSession(
      keyID: keyID, user: user, issuedAt: now, seenAt: now, token: Hex.encode(random.bytes(16)),
      notice: nil)
  }

  /// The cookie's value: base64url, at most about 1 KiB.
  func seal(_ session: ConsoleSession) throws(VaultError) -> String {
    let sealed = try keyring.seal(Secret(session.bytes), for: SealedPlace(.consoleCookie))
    return Base64.encodeURL(sealed.bytes)
  }

  /// The session of a cookie's value; `nil` when it is none of ours, or has ended.
  func open(_ value: some StringProtocol) -> ConsoleSession? {
    guard value.utf8.count <= 4096, let bytes = Base64.decodeURL(String(value)) else { return nil }
    // Whatever it is, if it does not open it is nobody's session.
    guard let sealed = try? Sealed(bytes: bytes),
      let opened = try? keyring.open(sealed, for: SealedPlace(.consoleCookie)),
      let session = ConsoleSession(bytes: opened.expose()), isAlive(session)
    else { return nil }
    return session
  }

  private func isAlive(_ session: ConsoleSession) -> Bool {
    let now = clock.now()
    return session.issuedAt <= now + Self.leeway && session.seenAt <= now + Self.leeway
      && now - session.issuedAt < Self.longest && now - session.seenAt < Self.idle
  }
}
