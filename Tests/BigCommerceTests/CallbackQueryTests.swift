import Base
import BigCommerce
import Testing

@Suite struct `Callback queries` {
  private static let code = "code=qr6h3thvbvag2ffq"
  private static let context = "context=stores%2Fg5cd38"
  private static let scope = "scope=store_v2_orders+store_v2_default"
  private static let good = "account_uuid=0ec4-1&\(code)&\(context)&\(scope)"

  @Test func `the documented query is read`() throws {
    let query = try CallbackQuery.install(Self.good)
    #expect(query.code.expose() == "qr6h3thvbvag2ffq")
    #expect(query.store.text == "g5cd38")
    #expect(query.context == "stores/g5cd38")
    #expect(query.scope == "store_v2_orders store_v2_default")
    #expect(query.scopes.names == ["store_v2_default", "store_v2_orders"])
    #expect(query.accountUUID == "0ec4-1")
    #expect(!query.isExternal)
  }

  @Test(arguments: [
    "external_install", "external_install=", "external_install=true", "external_install=0",
    "external%5Finstall=1",
  ])
  func `an external install is known by the parameter's presence`(_ text: String) throws {
    #expect(try CallbackQuery.install("\(Self.good)&\(text)").isExternal)
    #expect(try CallbackQuery.install("\(text)&\(Self.good)").isExternal)
  }

  static let accepted = [
    "\(context)&\(code)&\(scope)",
    "&&\(good)&",
    "\(good)&unknown=1&unknown=2&x[]=3&=&=v&%20=",
    "\(good)&Code=other&CODE=x",
    "\(good)&utm=%C3%A9%F0%9F%98%80",
    "code=%71r6&context=stores%2fg5cd38&scope=a%20b",
    "code=qr6&context=stores/g5cd38&scope=a,b",
    "%63ode=qr6&conte%78t=stores/g5cd38&scope=a",
    "code=a%26b%3Dc%23%25&context=stores/g5cd38&scope=a",
    "code=\(String(repeating: "x", count: 512))&\(context)&\(scope)",
    "code=a=b&\(context)&\(scope)",
    "\(code)&\(context)&\(scope)&account_uuid=",
    "\(good)&codes=1&context2=1&scope_=1&xcode=2",
  ]

  @Test(arguments: accepted) func `harmless variations are read`(_ query: String) throws {
    #expect(try CallbackQuery.install(query).store.text == "g5cd38")
  }

  @Test(arguments: MalformedQueries.named)
  func `a malformed query is refused for its reason`(_ query: String, _ error: CallbackQueryError) {
    #expect(throws: error) { try CallbackQuery.install(query) }
  }

  @Test func `more than 300 malformed queries are refused`() {
    #expect(Set(MalformedQueries.all).count == MalformedQueries.all.count)
    #expect(MalformedQueries.all.count >= 300)
    for query in MalformedQueries.all {
      #expect(throws: CallbackQueryError.self, "\(query.prefix(200))") {
        try CallbackQuery.install(query)
      }
    }
  }

  @Test func `a reason names parameters and never their values`() {
    for query in MalformedQueries.all {
      do throws(CallbackQueryError) {
        _ = try CallbackQuery.install(query)
      } catch {
        let word = error.reason.split(separator: ":").last ?? ""
        let words = ["code", "context", "scope", "account_uuid", "external_install"]
        #expect(!error.reason.contains(":") || words.contains(String(word)))
      }
    }
  }

  @Test func `the code never prints`() throws {
    let query = try CallbackQuery.install(Self.good)
    var dumped = ""
    dump(query, to: &dumped)
    #expect(!"\(query) \(dumped)".contains("qr6h3"))
  }

  @Test(arguments: [
    "signed_payload_jwt=a.b-_.c", "x=1&signed_payload_jwt=a.b-_.c&code=1&code=2",
    "signed_payload_jwt=a%2Eb%2d%5F.c", "signed_payload=old&signed_payload_jwt=a.b-_.c",
  ])
  func `the other callbacks bring a token`(_ query: String) throws {
    #expect(try CallbackQuery.signedPayload(query).expose() == "a.b-_.c")
  }

  static let malformedTokens: [(String, CallbackQueryError)] = [
    ("", .missing("signed_payload_jwt")), ("signed_payload=a.b", .missing("signed_payload_jwt")),
    ("signed_payload_jwt", .invalid("signed_payload_jwt")),
    ("signed_payload_jwt=", .invalid("signed_payload_jwt")),
    ("signed_payload_jwt=a+b", .invalid("signed_payload_jwt")),
    ("signed_payload_jwt=a%C3%A9", .invalid("signed_payload_jwt")),
    ("signed_payload_jwt=a%00", .forbiddenCharacter), ("signed_payload_jwt=a%", .malformedEncoding),
    ("signed_payload_jwt=a&signed_payload_jwt=a", .duplicate("signed_payload_jwt")),
    ("signed_payload_jwt[]=a", .array("signed_payload_jwt")),
    ("signed_payload_jwt=\(String(repeating: "a", count: 12_300))", .tooLong),
  ]

  @Test(arguments: malformedTokens)
  func `a malformed one is refused`(_ query: String, _ error: CallbackQueryError) {
    #expect(throws: error) { try CallbackQuery.signedPayload(query) }
  }
}

/// Queries that must never lead to a token request.
private enum MalformedQueries {
  static let names = ["code", "context", "scope"]
  static let values = ["qr6h3thv", "stores%2Fg5cd38", "store_v2_orders"]

  /// A good query with one value replaced, or with the parameter left out.
  static func query(_ name: String, _ value: String?) -> String {
    zip(names, values).compactMap { known, good in
      known == name ? value.map { "\(known)=\($0)" } : "\(known)=\(good)"
    }.joined(separator: "&")
  }

  static let good = query("", nil)

  static let named: [(String, CallbackQueryError)] = [
    ("", .missing("code")), ("&&&", .missing("code")), (query("code", nil), .missing("code")),
    (query("context", nil), .missing("context")), (query("scope", nil), .missing("scope")),
    (query("code", ""), .invalid("code")), (query("code", "a+b"), .invalid("code")),
    (query("code", String(repeating: "x", count: 513)), .invalid("code")),
    (query("context", "stores%252Fg5cd38"), .invalid("context")),
    (query("context", ""), .invalid("context")), (query("scope", "+"), .invalid("scope")),
    (query("scope", ""), .invalid("scope")), (query("scope", "%C3%A9"), .invalid("scope")),
    (good + "&code=qr6h3thv", .duplicate("code")), (good + "&c%6Fde=x", .duplicate("code")),
    (good + "&context=stores%2Fother", .duplicate("context")),
    (good + "&scope=", .duplicate("scope")), (good + "&code[]=x", .array("code")),
    (good + "&context[0]=x", .array("context")), (good + "&code%5B%5D=x", .array("code")),
    (good + "&account_uuid=a&account_uuid=a", .duplicate("account_uuid")),
    (good + "&external_install&external_install", .duplicate("external_install")),
    (good + "&account_uuid=a+b", .invalid("account_uuid")),
    (good + "&account_uuid=\(String(repeating: "a", count: 129))", .invalid("account_uuid")),
    (query("code", "a%00b"), .forbiddenCharacter), (query("code", "a%0d%0ab"), .forbiddenCharacter),
    (query("code", "a%"), .malformedEncoding), (query("code", "a%f"), .malformedEncoding),
    (query("code", "a%gg"), .malformedEncoding), (query("code", "%ff"), .malformedEncoding),
    (query("code", "%C0%AF"), .malformedEncoding), (query("code", "%ED%A0%80"), .malformedEncoding),
    (good + "&x=%", .malformedEncoding), (good + "&%=x", .malformedEncoding),
    (good + "&x=%00", .forbiddenCharacter), (good + "&x%00=1", .forbiddenCharacter),
    (good + "#fragment", .forbiddenCharacter), (good + " ", .forbiddenCharacter),
    (good + "&x=é", .forbiddenCharacter), (good + "&x=\u{0}", .forbiddenCharacter),
    (good + "\r\n", .forbiddenCharacter), (good + "\u{7f}", .forbiddenCharacter),
    (good + "&x=" + String(repeating: "y", count: 8192), .tooLong),
    (good + String(repeating: "&a=b", count: 62), .tooManyParameters),
  ]

  /// Values that are wrong for every one of the three parameters.
  static let wrongAnywhere = [
    "%00", "a%00", "%0a", "%0d%0aSet-Cookie:x", "%1b", "%7f", "%c2%80", "%c2%9f", "%", "%%", "%2",
    "%u0041", "%-1", "%+1", "%ff", "%fe", "%c0%80", "%c1%bf", "%c3", "%c3%28", "%e2%82",
    "%f0%9f%98",
    "%f5%80%80%80", "%ed%a0%80", "%ed%bf%bf", "%F4%90%80%80", "%80", "é", "\u{0}", "\t", " ", "#",
    "",
  ]

  /// Wrong for code and context, which are one word; and for scope where it has names beyond ASCII.
  static let wrongWords = [
    "%20", "a%20b", "+", "a+b", "%09", "%e2%80%8b", "%EF%BB%BFa", "%e2%80%ae", "%d0%b0",
    "%f0%9f%98%80",
  ]

  static let wrongContexts = [
    "stores", "stores%2F", "stores/", "/stores/abc", "stores/abc/", "stores//abc", "stores/abc/def",
    "stores/ABC", "Stores/abc", "STORES/abc", "store/abc", "abc", "stores/store-abc", "stores/a.b",
    "stores/..", "stores/.", "stores/a/../b", "stores/%2e%2e", "stores%5Cabc", "stores:abc",
    "stores/abc%20", "%20stores/abc", "stores/abc%3F", "stores/abc%23", "stores/abc;x",
    "stores/abc,def",
    "stores/*", "stores/%25", "stores%252Fabc", "stores%25252Fabc", "stores%2F%61bc%2F", "stores/-",
    "stores/_", "stores/a-b", "stores/{hash}", "stores/$1", "stores/%27", "stores/null%00",
    "stores/" + String(repeating: "a", count: 33), "accounts/abc", "users/1",
    "https://x/stores/abc",
    "stores/abc@evil", "stores/%C3%A9", "stores/%EF%BD%81", "%7B%22store%22%3A1%7D", "[]", "{}",
    "null",
    "true", "0", "-1", "stores%2Fabc%26context%3Dstores%2Fdef", "stores/abc'--", "stores/abc)",
    "stores/a%2fb", "stores%2f%2fabc", "..%2Fstores%2Fabc", "stores/abc%0a", "stores/abc%0d",
  ]

  static let all: [String] = {
    var queries = named.map(\.0)
    for name in names {
      queries += wrongAnywhere.map { query(name, $0) }
      if name != "scope" { queries += wrongWords.map { query(name, $0) } }
      queries += [good + "&\(name)", "\(name)&" + good, good + "&\(name)=%20", good + "&\(name)[]"]
      queries += [good + "&\(name)[a]=1", "\(name)[]=1&" + good, good + "&\(name)%5b0%5d%5bx%5d=1"]
      queries += [good + "&\(name).x=1", query(name, nil) + "&\(name.uppercased())=x"]
      queries += [query(name, nil) + "&\(name)%20=x", query(name, nil) + "&+\(name)=x"]
      queries += [query(name, nil) + "&\(name)[]=x", query(name, nil) + "&%25\(name)=x"]
      queries += [query(name, nil) + ";\(name)=x", query(name, nil) + "&amp;\(name)=x"]
      queries += [good.replacing("&", with: ";"), good.replacing("=", with: "%3D")].map {
        $0 + "&" + name
      }
    }
    queries += wrongContexts.map { query("context", $0) }
    queries += (513...520).map { query("code", String(repeating: "c", count: $0)) }
    queries += (0..<32).map { good + "&x=%" + (($0 < 16 ? "0" : "") + String($0, radix: 16)) }
    queries += (0..<32).map { good + "&x=" + String(UnicodeScalar(UInt8($0))) }
    queries += ["/" + good, "?" + good].map { $0.replacing("code=", with: "kode=") }
    queries += [query("scope", String(repeating: "a", count: 4097))]
    var seen: Set<String> = []
    return queries.filter { seen.insert($0).inserted }
  }()
}
