import Base
import BigCommerce
import Fields
import Foundation
import HTTPTypes
import Testing

@Suite struct `Token request` {
  private let exchange: TokenExchange

  init() throws {
    exchange = TokenExchange(
      clientID: "cl1ent", clientSecret: Secret("s&cr=t+é"),
      query: try CallbackQuery.install(
        "code=c0de%2B1&context=stores%2Fabc&scope=store_v2_orders+store_v2_products&account_uuid=u"),
      redirectURI: "https://app.example/auth/callback")
  }

  private static let fields = [
    "client_id": "cl1ent", "client_secret": "s&cr=t+é", "code": "c0de+1", "context": "stores/abc",
    "scope": "store_v2_orders store_v2_products", "grant_type": "authorization_code",
    "redirect_uri": "https://app.example/auth/callback",
  ]

  @Test func `the JSON body has the documented fields and no other`() throws {
    let body = try JSONSerialization.jsonObject(with: Data(exchange.body(.json).expose()))
    #expect(body as? [String: String] == Self.fields)
    #expect(exchange.headers(.json)[.contentType] == "application/json")
    #expect(exchange.headers(.json)[.accept] == "application/json")
  }

  @Test func `the form has the same fields`() throws {
    let text = String(decoding: exchange.body(.form).expose(), as: UTF8.self)
    #expect(text.contains("client_secret=s%26cr%3Dt%2B%C3%A9&"))
    #expect(text.contains("scope=store_v2_orders+store_v2_products"))
    var components = URLComponents()
    components.percentEncodedQuery = text.replacing("+", with: "%20")
    let items = try #require(components.queryItems).map { ($0.name, $0.value ?? "") }
    #expect(Dictionary(uniqueKeysWithValues: items) == Self.fields)
    #expect(exchange.headers(.form)[.contentType] == "application/x-www-form-urlencoded")
  }

  @Test func `the request never prints its secrets`() {
    var dumped = ""
    dump(exchange, to: &dumped)
    for text in ["\(exchange)", dumped, "\(exchange.body(.json))"] {
      #expect(!text.contains("s&cr") && !text.contains("c0de"))
    }
  }
}

@Suite struct `Token answer` {
  private let store: StoreHash

  init() throws {
    store = try #require(StoreHash("abc"))
  }

  private func read(
    _ body: String, status: Int = 200, headers: FieldSection = [.contentType: "application/json"]
  ) throws(TokenAnswerError) -> TokenAnswer {
    try TokenAnswer.read(status: status, headers: headers, body: Array(body.utf8), expected: store)
  }

  /// A good answer with one member replaced, or left out.
  private func answer(_ name: String = "", _ value: String? = nil) -> String {
    let members = [
      ("access_token", #""t0ken""#), ("scope", #""store_v2_orders store_v2_default""#),
      ("context", #""stores/abc""#),
      ("user", #"{"id":24654,"username":"m@e.example","email":"m@e.example"}"#),
      ("owner", #"{"id":1,"username":"o@e.example","email":"o@e.example"}"#),
      ("account_uuid", #""0ec4""#), ("ajs_anonymous_id", "null"),
    ]
    let written = members.compactMap { member -> String? in
      let value = member.0 == name ? value : member.1
      return value.map { "\"\(member.0)\":\($0)" }
    }
    return "{\(written.joined(separator: ","))}"
  }

  @Test func `the documented answer is read`() throws {
    let found = try read(
      answer(),
      headers: [.contentType: "application/json", .date: "Sat, 21 Nov 2026 01:04:05 GMT"])
    #expect(found.accessToken.expose() == "t0ken")
    #expect(found.scopes.names == ["store_v2_default", "store_v2_orders"])
    #expect(found.store == store)
    #expect(found.user?.id == 24654)
    #expect(found.user?.email == "m@e.example")
    #expect(found.owner?.id == 1)
    #expect(found.accountUUID == "0ec4")
    #expect(found.authorizedAt == Timestamp(seconds: 1_795_223_045))
  }

  @Test(arguments: [
    ("scope", #""store_v2_orders,store_v2_default""#),
    ("user", #"{"id":"24654"}"#), ("user", "null"), ("user", "[]"), ("user", #"{"id":true}"#),
    ("user", #"{"id":1,"email":5}"#), ("user", #"{"id":1,"email":"\u0000"}"#), ("user", nil),
    ("owner", nil), ("owner", "null"), ("account_uuid", nil), ("account_uuid", "7"),
    ("ajs_anonymous_id", #"{"deep":[1,{"x":null}]}"#),
  ])
  func `what could be done without does not cost the token`(_ name: String, _ value: String?) throws
  {
    #expect(try read(answer(name, value)).accessToken.expose() == "t0ken")
  }

  @Test func `a user's ID is read from a number or a text`() throws {
    #expect(try read(answer("user", #"{"id":"24654"}"#)).user?.id == 24654)
    #expect(try read(answer("user", #"{"id":"x"}"#)).user == nil)
    #expect(try read(answer("user", #"{"id":0}"#)).user == nil)
    #expect(try read(answer("owner", nil)).owner == nil)
    #expect(try read(answer()).authorizedAt == nil)
    #expect(try read(answer(), headers: [.date: "yesterday"]).authorizedAt == nil)
    let date = "Sat, 21 Nov 2026 01:04:05 GMT"
    #expect(try read(answer(), headers: [.date: date, .date: date]).authorizedAt == nil)
  }

  @Test func `any success, content type and byte order mark will do`() throws {
    #expect(try read(answer(), status: 201).store == store)
    #expect(try read(answer(), headers: [.contentType: "text/html"]).store == store)
    #expect(try read(answer(), headers: [:]).store == store)
    #expect(try read("\u{FEFF}\r\n" + answer() + "\n").store == store)
  }

  @Test(arguments: [
    nil, "null", "5", #""""#, #""a b""#, #""a\n""#, #""a\u0000""#, #""é""#, #""\u007f""#, "[]",
    "\"\(String(repeating: "a", count: 513))\"",
  ])
  func `something that is no token is refused`(_ token: String?) {
    #expect(throws: TokenAnswerError.noToken) { try read(answer("access_token", token)) }
  }

  @Test func `the longest token is read`() throws {
    let token = String(repeating: "~", count: 512)
    #expect(try read(answer("access_token", "\"\(token)\"")).accessToken.expose() == token)
  }

  @Test(arguments: [
    nil, "null", #""stores/abd""#, #""stores/ABC""#, #""stores/abc/""#, #""abc""#, #""""#,
    #""stores/abc ""#, #"["stores/abc"]"#, #""users/abc""#,
  ])
  func `a token for anything but the expected store is refused`(_ context: String?) {
    #expect(throws: TokenAnswerError.contextMismatch) { try read(answer("context", context)) }
  }

  @Test(arguments: [nil, "null", #""""#, #"" ""#, #"",""#, "7", "[]"])
  func `a token without scopes is refused`(_ scope: String?) {
    #expect(throws: TokenAnswerError.noScope) { try read(answer("scope", scope)) }
  }

  static let refusals: [(Int, String, TokenAnswerError)] = [
    (406, "", .formatNotUnderstood), (406, #"{"error":"Invalid format."}"#, .formatNotUnderstood),
    (415, "<html>", .formatNotUnderstood),
    (400, #"{"error":"Invalid format."}"#, .formatNotUnderstood),
    (400, "Invalid format.", .formatNotUnderstood),
    (400, #"{"error":"x","error_description":"Invalid format."}"#, .formatNotUnderstood),
    (400, #"{"error":"invalid_grant"}"#, .codeSpent),
    (401, #"{"error":"invalid_grant","error_description":"x"}"#, .codeSpent),
    (200, #"{"error":"invalid_grant"}"#, .codeSpent),
    (400, #"{"error":"Parameter redirect_uri does not match registered URI"}"#, .redirectMismatch),
    (
      400,
      #"{"error":"x","error_description":"Parameter redirect_uri does not match registered URI."}"#,
      .redirectMismatch
    ),
    (
      400, #"{"message":"Parameter redirect_uri does not match registered URI"}"#, .redirectMismatch
    ),
    (
      400, "<p>Parameter redirect_uri does not match registered URI</p>", .redirectMismatch
    ),
    (401, #"{"error":"invalid_client"}"#, .refused(status: 401, word: "invalid_client")),
    (401, "", .refused(status: 401, word: "")),
    (400, #"{"error":"<script>"}"#, .refused(status: 400, word: "")),
    (400, #"{"error":"secret token abc"}"#, .refused(status: 400, word: "")),
    (400, #"{"error":7}"#, .refused(status: 400, word: "")),
    (500, "<html>oops</html>", .refused(status: 500, word: "")),
    (
      503, #"{"error":"temporarily_unavailable"}"#,
      .refused(status: 503, word: "temporarily_unavailable")
    ),
    (429, "", .refused(status: 429, word: "")),
    (302, "", .notAToken), (301, "<html>", .notAToken), (307, answerText, .notAToken),
    (200, "<html><body>Redirecting to login</body></html>", .notAToken), (200, "", .notAToken),
    (204, "", .notAToken), (200, "null", .notAToken), (200, "[]", .notAToken),
    (200, #""t0ken""#, .notAToken), (200, answerText + "x", .notAToken),
    (200, String(answerText.dropLast()), .notAToken),
    (200, #"{"access_token":"a","access_token":"b"}"#, .notAToken), (200, "{}", .noToken),
    (200, #"{"error":"weird"}"#, .refused(status: 200, word: "weird")),
  ]

  private static let answerText =
    #"{"access_token":"t","scope":"a","context":"stores/abc","user":{"id":1}}"#

  @Test(arguments: refusals)
  func `a refusal is told by its kind`(_ status: Int, _ body: String, _ error: TokenAnswerError) {
    #expect(throws: error) { try read(body, status: status) }
  }

  @Test func `only known words come out of a refusal`() {
    #expect(TokenAnswerError.refused(status: 400, word: "x").reason == "refused")
    #expect(TokenAnswerError.codeSpent.reason == "code_spent")
  }
}
