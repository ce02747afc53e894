package import Base
package import Fields

/// BigCommerce's answer to a token request that succeeded.
///
/// Strict in what decides whose token it is, lenient in everything else: a code is spent by now, so
/// a field that we could do without must not cost the token.
/// - Source: PLATFORM 1.5.
package struct TokenAnswer: Sendable {
  /// Somebody at the merchant's.
  package struct Person: Hashable, Sendable {
    package let id: Int64
    package let username: String?
    package let email: String?
  }

  /// Opaque, 1 to 512 printable ASCII characters.
  package let accessToken: Secret<String>
  /// What was granted; never empty.
  package let scopes: Scopes
  package let store: StoreHash
  /// Who installed the app.
  package let user: Person?
  /// Who owns the store; older answers lack it.
  package let owner: Person?
  /// The developer's account.
  package let accountUUID: String?
  /// When it was issued, by BigCommerce's clock, from the header `Date`; `nil` when that is missing
  /// or malformed.
  package let authorizedAt: Timestamp?

  /// Reads the answer to a request for a token of `store`; the body is whole, and was limited by
  /// the client.
  package static func read(
    status: Int, headers: FieldSection, body: [UInt8], expected store: StoreHash
  ) throws(TokenAnswerError) -> TokenAnswer {
    let document = json(body)
    guard (200..<300).contains(status) else {
      throw TokenRefusal(status: status, document: document, body: body).error
    }
    guard let document else { throw .notAToken }
    guard document["access_token"] != nil || document["error"] == nil else {
      throw TokenRefusal(status: status, document: document, body: body).error
    }
    return try TokenAnswer(document, headers: headers, expected: store)
  }

  private init(
    _ document: JSONValue, headers: FieldSection, expected: StoreHash
  ) throws(TokenAnswerError) {
    guard let token = document["access_token"]?.string, (1...512).contains(token.utf8.count),
      token.isPrintable
    else { throw .noToken }
    guard let context = document["context"]?.string, StoreHash(context: context) == expected else {
      throw .contextMismatch
    }
    let scopes = Scopes(parsing: document["scope"]?.string ?? "")
    guard !scopes.isEmpty else { throw .noScope }
    accessToken = Secret(token)
    self.scopes = scopes
    store = expected
    user = TokenAnswer.person(document["user"])
    owner = TokenAnswer.person(document["owner"])
    accountUUID = TokenAnswer.text(document["account_uuid"], limit: 128)
    authorizedAt = headers.only(.date).flatMap(HTTPDate.read)
  }

  /// The body as a JSON object, a byte order mark before it forgiven.
  private static func json(_ body: [UInt8]) -> JSONValue? {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let text = body.starts(with: mark) ? body.dropFirst(3) : body[...]
    guard let value = try? JSONScanner.parse(text), value.members != nil else { return nil }
    return value
  }

  /// The ID is an integer, in older samples a text.
  private static func person(_ value: JSONValue?) -> Person? {
    guard let value, let id = value["id"]?.integer ?? value["id"]?.string.flatMap({ Int64($0) }),
      id > 0
    else { return nil }
    return Person(
      id: id, username: text(value["username"], limit: 320), email: text(value["email"], limit: 320)
    )
  }

  private static func text(_ value: JSONValue?, limit: Int) -> String? {
    guard let text = value?.string, !text.isEmpty, text.utf8.count <= limit, !text.hasControls
    else { return nil }
    return text
  }
}

/// Why a token request brought no token.
package enum TokenAnswerError: Error, Hashable, Sendable {
  /// The request was not understood, so the code is not spent: send it once more in the other
  /// encoding.
  case formatNotUnderstood
  /// `invalid_grant`: the code was exchanged before, or has expired.
  case codeSpent
  /// The `redirect_uri` is not the registered callback.
  case redirectMismatch
  /// Any other refusal. `word` is the platform's `error`, letters, digits and `_` only, or empty.
  case refused(status: Int, word: String)
  /// The answer is no token answer at all: HTML, a redirect, broken JSON.
  case notAToken
  /// The token would be another store's, or a user's.
  case contextMismatch
  /// Nothing was granted: every call with the token would be refused.
  case noScope
  /// `access_token` is missing or not what a token can be.
  case noToken

  /// A fixed word for logs and the database.
  package var reason: String {
    switch self {
    case .formatNotUnderstood: "format_not_understood"
    case .codeSpent: "code_spent"
    case .redirectMismatch: "redirect_mismatch"
    case .refused: "refused"
    case .notAToken: "not_a_token"
    case .contextMismatch: "context_mismatch"
    case .noScope: "no_scope"
    case .noToken: "no_token"
    }
  }
}

/// Makes sense of an answer that refuses; none of this is documented (PLATFORM 1.6).
private struct TokenRefusal {
  let status: Int
  let document: JSONValue?
  let body: [UInt8]

  var error: TokenAnswerError {
    if status == 406 || status == 415 || says("Invalid format.") { return .formatNotUnderstood }
    if (300..<400).contains(status) { return .notAToken }
    if document?["error"]?.string == "invalid_grant" { return .codeSpent }
    if says("redirect_uri does not match") { return .redirectMismatch }
    return .refused(status: status, word: word)
  }

  /// Whether the answer holds the sentence, in one of its texts when it is JSON, else anywhere at
  /// its beginning.
  private func says(_ sentence: String) -> Bool {
    guard let document else {
      return String(decoding: body.prefix(4096), as: UTF8.self).contains(sentence)
    }
    return ["error", "error_description", "message", "title"].contains {
      document[$0]?.string?.contains(sentence) ?? false
    }
  }

  private var word: String {
    guard let text = document?["error"]?.string, text.utf8.count <= 64,
      text.utf8.allSatisfy({ $0 == UInt8(ascii: "_") || $0.isASCIILetterOrDigit })
    else { return "" }
    return text
  }
}

extension UInt8 {
  var isASCIILetterOrDigit: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }
}
