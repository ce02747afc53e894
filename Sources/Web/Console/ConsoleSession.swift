import Base

/// Who is logged in to the console, as the browser's sealed cookie holds it.
struct ConsoleSession: Hashable, Sendable {
  /// The service key with whose grant the session sees and acts.
  let keyID: String
  /// Whom the proxy named; `nil`: somebody logged in with the key itself.
  let user: String?
  let issuedAt: Timestamp
  let seenAt: Timestamp
  /// What the form of every act repeats; 32 hexadecimal digits.
  let token: String
  /// What the next page tells once.
  let notice: ConsoleNotice?

  /// The same at a later moment, with what the next page tells.
  func seen(at now: Timestamp, telling notice: ConsoleNotice?) -> ConsoleSession {
    ConsoleSession(
      keyID: keyID, user: user, issuedAt: issuedAt, seenAt: now, token: token, notice: notice)
  }
}

/// A line that tells how an act went, on the page after it.
struct ConsoleNotice: Hashable, Sendable {
  enum Tone: String, Sendable {
    case good, bad
  }

  let tone: Tone
  /// At most 400 characters: it travels in the cookie.
  let text: String

  init(_ tone: Tone, _ text: String) {
    self.tone = tone
    self.text = String(text.prefix(400))
  }
}

extension ConsoleSession {
  /// The bytes that are sealed.
  var bytes: [UInt8] {
    var members: [JSONValue.Member] = [
      .init("key", .string(keyID)), .init("issued", .integer(issuedAt.microseconds)),
      .init("seen", .integer(seenAt.microseconds)), .init("token", .string(token)),
    ]
    if let user { members.append(.init("user", .string(user))) }
    if let notice {
      members += [
        .init("tone", .string(notice.tone.rawValue)), .init("notice", .string(notice.text)),
      ]
    }
    return JSONValue.object(members).encoded()
  }

  /// Reads opened bytes; `nil` for what another version wrote.
  init?(bytes: [UInt8]) {
    guard let value = try? JSONScanner.parse(bytes), let keyID = value["key"]?.string,
      let issued = value["issued"]?.integer, let seen = value["seen"]?.integer,
      let token = value["token"]?.string, token.utf8.count == 32
    else { return nil }
    self.keyID = keyID
    user = value["user"]?.string
    issuedAt = Timestamp(microseconds: issued)
    seenAt = Timestamp(microseconds: seen)
    self.token = token
    if let tone = value["tone"]?.string.flatMap({ ConsoleNotice.Tone(rawValue: $0) }),
      let text = value["notice"]?.string
    {
      notice = ConsoleNotice(tone, text)
    } else {
      notice = nil
    }
  }
}
