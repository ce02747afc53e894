import Base
import HTTPTypes
import Synchronization
import Testing
import Vault

@testable import Web

/// A clock that a test moves.
private final class Hand: Sendable {
  private let now = Mutex(Timestamp(seconds: 1_800_000_000))

  var clock: WallClock { WallClock { self.now.withLock { $0 } } }

  func move(_ duration: Duration) { now.withLock { $0 = $0 + duration } }
}

private func keyring(_ ids: String...) throws -> Keyring {
  let entries = ids.map {
    "\($0):" + Base64.encode([UInt8](repeating: $0.utf8.first ?? 0, count: 32))
  }
  return try Keyring(parsing: Secret(entries.joined(separator: ",")))
}

@Suite struct `A console session` {
  private let hand = Hand()

  private func sessions(_ ring: Keyring) -> ConsoleSessions {
    ConsoleSessions(keyring: ring, clock: hand.clock, random: .system)
  }

  @Test func `opens on every replica with the keyring, and says nothing in clear`() throws {
    let session = sessions(try keyring("a")).begin(keyID: "abcdefgh2345", user: "Zoë")
      .seen(at: hand.clock.now(), telling: ConsoleNotice(.bad, "no \"luck\""))
    let sealed = try sessions(try keyring("a")).seal(session)
    #expect(sessions(try keyring("b", "a")).open(sealed) == session)
    #expect(!sealed.contains("abcdefgh2345") && !sealed.contains(session.token))
    #expect(sealed.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ";") })
  }

  @Test func `does not open with another keyring, altered, or sealed for something else`() throws {
    let ring = try keyring("a")
    let session = sessions(ring).begin(keyID: "k", user: nil)
    let sealed = try sessions(ring).seal(session)
    #expect(sessions(try keyring("b")).open(sealed) == nil)
    let bytes = try #require(Base64.decodeURL(sealed))
    for index in bytes.indices {
      var altered = bytes
      altered[index] ^= 1
      #expect(sessions(ring).open(Base64.encodeURL(altered)) == nil)
    }
    let other = try ring.seal(Secret(session.bytes), for: SealedPlace(.spoolRecord))
    #expect(sessions(ring).open(Base64.encodeURL(other.bytes)) == nil)
    for text in ["", "x", "=", String(repeating: "A", count: 5000)] {
      #expect(sessions(ring).open(text) == nil)
    }
  }

  @Test func `ends an hour after the last page and twelve after the login`() throws {
    let sessions = sessions(try keyring("a"))
    var session = sessions.begin(keyID: "k", user: nil)
    let first = try sessions.seal(session)
    hand.move(.seconds(3599))
    #expect(sessions.open(first) != nil)
    hand.move(.seconds(1))
    #expect(sessions.open(first) == nil)
    for _ in 0..<11 {
      session = session.seen(at: hand.clock.now(), telling: nil)
      hand.move(.seconds(3590))
      #expect(sessions.open(try sessions.seal(session)) != nil)
    }
    session = session.seen(at: hand.clock.now(), telling: nil)
    hand.move(.seconds(200))
    #expect(sessions.open(try sessions.seal(session)) == nil)
  }

  @Test func `one from the future is none`() throws {
    let sessions = sessions(try keyring("a"))
    hand.move(.seconds(300))
    let sealed = try sessions.seal(sessions.begin(keyID: "k", user: nil))
    hand.move(.seconds(-300))
    #expect(sessions.open(sealed) == nil)
  }

  @Test func `prints no secret of the cookie's key`() throws {
    #expect(!"\(sessions(try keyring("a")))".contains("YWFh"))
  }
}

@Suite struct `The console's cookie` {
  @Test func `is for this host alone over TLS, and for its own path otherwise`() {
    #expect(
      ConsoleCookie(isSecure: true).setting("v")
        == "__Host-latchkey_console=v; Path=/; Secure; HttpOnly; SameSite=Strict")
    #expect(
      ConsoleCookie(isSecure: false).setting("v")
        == "latchkey_console=v; Path=/console; HttpOnly; SameSite=Strict")
  }

  @Test func `is read from among others, and not when it comes twice`() {
    let cookie = ConsoleCookie(isSecure: false)
    #expect(cookie.value(in: [.cookie: "a=1; latchkey_console=x; b=2"]) == "x")
    #expect(cookie.value(in: [.cookie: "latchkey_console=x; latchkey_console=y"]) == nil)
    #expect(cookie.value(in: [.cookie: "xlatchkey_console=x"]) == nil)
    #expect(ConsoleCookie(isSecure: true).value(in: [.cookie: "latchkey_console=x"]) == nil)
    var several = HTTPFields()
    several.append(HTTPField(name: .cookie, value: "latchkey_console=x"))
    several.append(HTTPField(name: .cookie, value: "latchkey_console=y"))
    #expect(cookie.value(in: several) == nil)
  }
}

@Suite struct `Acts of other sites` {
  @Test(arguments: [
    (["Origin": "https://console.example:8443"], true),
    (["Origin": "HTTPS://console.example:8443"], false),
    (["Origin": "https://CONSOLE.example:8443"], true),
    (["Origin": "https://console.example"], false),
    (["Origin": "https://console.example:8443.evil.example"], false),
    (["Origin": "https://evil.example"], false),
    (["Origin": "null"], false),
    (["Sec-Fetch-Site": "same-origin"], true),
    (["Sec-Fetch-Site": "same-site"], false),
    (["Sec-Fetch-Site": "cross-site"], false),
    (["Sec-Fetch-Site": "none"], false),
    (["Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"], false),
    (["Sec-Fetch-Site": "cross-site", "Origin": "https://console.example:8443"], false),
    (["Origin": "https://sso.example", "X-Forwarded-Host": "sso.example"], true),
    ([:], false),
  ])
  func `are told by what the browser says`(_ fields: [String: String], _ isOurs: Bool) throws {
    var headers = HTTPFields()
    for (name, value) in fields {
      headers.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value))
    }
    #expect(
      ConsoleForgery.isFromOurPage(headers, authority: "console.example:8443") == isOurs,
      "\(fields)")
  }

  @Test(arguments: [
    ("/console", true), ("/console/stores?q=a&state=b%20c", true), ("/console/login", false),
    ("/console/login?next=/console", false), ("https://evil.example", false),
    ("//evil.example", false),
    ("/console//evil.example", false), ("/console/\\evil", false), ("/consolex", false),
    ("/console/\r\nSet-Cookie: x", false), ("/v1/stores", false), ("", false),
  ])
  func `lead nowhere but into the console`(_ path: String, _ isSafe: Bool) {
    #expect((ConsoleLink.safe(path) != nil) == isSafe)
  }
}

@Suite struct `A proxy that logs people in` {
  private let proxy = ConsoleProxy(
    secret: Secret(String(repeating: "s", count: 32)), keyID: "k",
    userField: .cookie)

  @Test(
    arguments: [
      (["s32"], ["ann"], "ann"), (["s32"], ["Zoë Ärger"], "Zoë Ärger"), (["s31"], ["ann"], nil),
      ([], ["ann"], nil), (["s32"], [], nil), (["s32"], [""], nil), (["s32", "s32"], ["ann"], nil),
      (["s32"], ["ann", "bob"], nil), (["s32"], ["a\u{202E}nn"], nil),
    ] as [([String], [String], String?)])
  func `is known by its secret, and names one person`(
    _ secrets: [String], _ users: [String], _ expected: String?
  ) throws {
    var headers = HTTPFields()
    for secret in secrets {
      let length = try #require(Int(secret.dropFirst()))
      headers.append(
        HTTPField(name: .consoleSecret, value: String(repeating: "s", count: length)))
    }
    for user in users { headers.append(HTTPField(name: .cookie, value: user)) }
    #expect(proxy.user(headers) == expected)
  }

  @Test func `prints no secret`() {
    var text = ""
    dump(proxy, to: &text)
    #expect(!text.contains("ssss") && !"\(proxy)".contains("ssss"))
  }
}
