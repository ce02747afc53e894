import Base
import BigCommerce
import Fields
import Gateway
import HTTPTypes
import NIOCore
import Storage
import Testing
import Upstream

@Suite struct `Decisions` {
  private let one = TestKey(
    Grant(app: .default, stores: .all, scopes: .all, abilities: Abilities([.proxy])))
  private let fleet = TestKey(
    Grant(app: nil, stores: .all, scopes: .all, abilities: Abilities([.operator])))

  private func entry(
    _ app: String, _ store: String, scopes: [String] = [], state: InstallationState = .active
  ) throws -> StoreEntry {
    StoreEntry(
      installation: try Named.installation(app, store), state: state, generation: Generation(1),
      token: .open(Secret("\(app)-\(store)")), scopes: Scopes(scopes))
  }

  private func decide(
    _ headers: [(String, String)], target: String = "/stores/abc/v3/hooks",
    method: HTTPRequest.Method = .get,
    length: Int? = 0, apps: [String] = ["default"], maxBody: ByteCount = .mebibytes(64)
  ) throws -> Decision {
    let snapshot = DirectorySnapshot(
      stores: [
        try entry("default", "abc"), try entry("second", "abc"), try entry("second", "xyz"),
        try entry("default", "gone", state: .uninstalled),
      ],
      keys: [one.record, fleet.record])
    let rules = DecisionRules(apps: try apps.map(Named.app), maxBody: maxBody)
    let facts = CallFacts(
      method: method, target: target, headers: try Named.fields(headers), contentLength: length)
    return rules.decide(facts, snapshot, now: Timestamp(seconds: 5))
  }

  private func code(_ decision: Decision) -> String {
    switch decision {
    case .call(let plan): "call \(plan.store.installation)"
    case .refuse(let problem): "\(problem.status) \(problem.code)"
    case .explain: "explained"
    }
  }

  @Test func `a key is taken from either field, or from both when they agree`() throws {
    let key = one.text
    let accepted: [[(String, String)]] = [
      [("Authorization", "Bearer \(key)")], [("authorization", "bearer  \(key)")],
      [("X-Auth-Token", key)],
      [("Authorization", "Bearer \(key)"), ("X-Auth-Token", key)],
    ]
    for headers in accepted { #expect(try code(decide(headers)) == "call default/abc") }
  }

  @Test func `no key, a malformed one, two, and two that differ are 401`() throws {
    let key = one.text
    let refused: [[(String, String)]] = [
      [], [("Authorization", key)], [("Authorization", "Basic \(key)")],
      [("Authorization", "Bearer")],
      [("Authorization", "Bearer \(fleet.text)"), ("X-Auth-Token", key)],
      [("Authorization", "Basic x"), ("X-Auth-Token", key)],
      [("X-Auth-Token", key), ("X-Auth-Token", key)],
      [("Authorization", "Bearer \(key)"), ("Authorization", "Bearer \(key)")],
      [("X-Auth-Token", key + "x")],
      [("X-Auth-Token", String(key.dropLast()) + (key.hasSuffix("a") ? "b" : "a"))],
      [("X-Auth-Token", "")],
      [("X-Auth-Token", key.uppercased())], [("Cookie", key)],
    ]
    for headers in refused { #expect(try code(decide(headers)) == "401 key_invalid", "\(headers)") }
  }

  @Test func `without a valid key nothing else is told`() throws {
    for target in ["/stores/abc/../x", "/stores/nobody/v3/hooks", "/stores/gone/v3/hooks"] {
      #expect(try code(decide([], target: target)) == "401 key_invalid")
    }
  }

  @Test func `a key for all apps means the one it names, the only one, or default`() throws {
    let key = ("X-Auth-Token", fleet.text)
    let both = ["default", "second"]
    #expect(try code(decide([key])) == "call default/abc")
    #expect(try code(decide([key], apps: ["second"])) == "call second/abc")
    #expect(try code(decide([key], apps: both)) == "call default/abc")
    #expect(try code(decide([key, ("Latchkey-App", "second")], apps: both)) == "call second/abc")
    #expect(try code(decide([key, ("Latchkey-App", "third")], apps: both)) == "400 bad_control")
    #expect(try code(decide([key], apps: ["first", "second"])) == "400 bad_control")
  }

  @Test func `a key of one app reaches no other app's installation`() throws {
    let key = ("X-Auth-Token", one.text)
    let both = ["default", "second"]
    #expect(try code(decide([key, ("Latchkey-App", "default")], apps: both)) == "call default/abc")
    #expect(try code(decide([key, ("Latchkey-App", "second")], apps: both)) == "403 grant_missing")
    #expect(
      try code(decide([key], target: "/stores/xyz/v3/hooks", apps: both)) == "404 store_unknown")
  }

  @Test func `targets, methods and controls are checked before the grant`() throws {
    let key = ("X-Auth-Token", one.text)
    #expect(try code(decide([key], target: "/stores/abc/v3/../x")) == "400 bad_target")
    #expect(
      try code(decide([key], target: "/stores/abc/graphql", method: .get))
        == "405 method_not_allowed")
    #expect(try code(decide([key], method: .options)) == "405 method_not_allowed")
    #expect(try code(decide([key, ("Latchkey-Retry", "9")])) == "400 bad_control")
    #expect(
      try code(decide([key], target: "/stores/abc/graphql", method: .post)) == "403 grant_missing")
  }

  @Test func `a body known to be too large is refused at once`() throws {
    let key = ("X-Auth-Token", one.text)
    let limit = ByteCount(10)
    #expect(
      try code(decide([key], method: .post, length: 11, maxBody: limit)) == "413 body_too_large")
    #expect(
      try code(decide([key], method: .post, length: 10, maxBody: limit)) == "call default/abc")
    #expect(
      try code(decide([key], method: .post, length: nil, maxBody: limit)) == "call default/abc")
    #expect(try code(decide([key], method: .head, length: 1)) == "400 bad_target")
  }

  private func refusal(_ grant: Grant, _ target: String, _ method: HTTPRequest.Method) throws
    -> String
  {
    let key = TestKey(grant)
    let labelled = StoreEntry(
      installation: try Named.installation("default", "abc"), state: .suspended,
      generation: Generation(1), token: .open(Secret("t")), scopes: .none,
      labels: [try #require(StoreLabel("vip"))])
    let snapshot = DirectorySnapshot(stores: [labelled], keys: [key.record])
    let facts = CallFacts(
      method: method, target: target, headers: try Named.fields([("X-Auth-Token", key.text)]),
      contentLength: 0)
    guard
      case .refuse(let problem) = DecisionRules(apps: [.default]).decide(
        facts, snapshot, now: Timestamp(seconds: 5))
    else { return "call" }
    let named = problem.fields.first.map { " \($0.name)=\($0.value.text)" } ?? ""
    return "\(problem.status) \(problem.code)\(named)"
  }

  @Test func `what is missing is named: ability, store, method, path, scope, in that order`() throws
  {
    func grant(
      stores: [String] = ["label:vip"], scopes: [String] = ["store_v2_products"],
      methods: [String] = ["GET"], paths: [String] = ["/v3/catalog/products"]
    ) throws -> Grant {
      Grant(
        app: .default, stores: try Grant.Stores(names: stores),
        scopes: .init(names: scopes), methods: try MethodSet(names: methods),
        paths: .only(Set(try paths.map { try PathPattern($0) })), abilities: Abilities([.proxy]))
    }
    let target = "/stores/abc/v3/catalog/products?x=1"
    #expect(try refusal(grant(), target, .get) == "423 store_suspended")
    #expect(
      try refusal(grant(scopes: ["store_v2_orders"]), target, .get)
        == #"403 grant_missing missing_scopes=["store_v2_products","store_v2_products_read_only"]"#)
    let noPath = try grant(scopes: [], paths: ["/v3/catalog/products/*"])
    #expect(
      try refusal(noPath, target, .get)
        == #"403 grant_missing missing_path="/v3/catalog/products""#)
    let noMethod = try grant(scopes: [], methods: ["POST"], paths: ["/v2/**"])
    #expect(
      try refusal(noMethod, target, .head) == #"403 grant_missing missing_method="HEAD""#)
    let noStore = try grant(stores: ["label:eu", "xyz"], methods: ["POST"])
    #expect(
      try refusal(noStore, target, .get) == #"403 grant_missing missing_store="abc""#)
    #expect(
      try refusal(noStore, "/stores/abc/v3/nosuch", .get)
        == #"403 grant_missing missing_ability="proxy:unlisted""#)
  }

  @Test(arguments: [["mine"], ["label:vip"], ["mine", "label:vip"]])
  func `forbidden and unknown stores get the same answer but for hash and request ID`(
    _ stores: [String]
  ) throws {
    let limited = TestKey(
      Grant(
        app: .default, stores: try Grant.Stores(names: stores), scopes: .all,
        abilities: Abilities([.proxy])))
    let snapshot = DirectorySnapshot(
      stores: [try entry("default", "there"), try entry("default", "gone1", state: .uninstalled)],
      keys: [limited.record])
    let rules = DecisionRules(apps: [.default])
    var answers: Set<String> = []
    for (number, store) in ["there", "gone1", "never"].enumerated() {
      let facts = CallFacts(
        method: .get, target: "/stores/\(store)/v3/hooks",
        headers: try Named.fields([("X-Auth-Token", limited.text)]), contentLength: 0)
      guard case .refuse(let problem) = rules.decide(facts, snapshot, now: Timestamp(seconds: 5))
      else {
        Issue.record("\(store) is not refused")
        continue
      }
      let requestID = try Named.requestID("r\(number)")
      let response = GatewayResponse.problem(problem, requestID)
      guard case .bytes(let body) = response.body else {
        Issue.record("a problem that streams")
        continue
      }
      let text = String(buffer: body).replacing(store, with: "*").replacing("r\(number)", with: "*")
      let head = response.headers.pairs.filter { $0.name != "Content-Length" }
        .map { "\($0.name): \($0.value)" }.joined().replacing("r\(number)", with: "*")
      answers.insert("\(response.status) \(head) \(text)")
    }
    #expect(answers.count == 1)
    #expect(answers.first?.contains("grant_missing") == true)
  }

  @Test func `a missing scope names what is required, what is granted and how to get it`() throws {
    let snapshot = DirectorySnapshot(
      stores: [try entry("default", "abc", scopes: ["store_v2_orders"])], keys: [one.record])
    let facts = CallFacts(
      method: .post, target: "/stores/abc/v3/catalog/products",
      headers: try Named.fields([("X-Auth-Token", one.text)]), contentLength: 0)
    let decision = DecisionRules(apps: [.default]).decide(
      facts, snapshot, now: Timestamp(seconds: 5))
    guard case .refuse(let problem) = decision else {
      Issue.record("not refused")
      return
    }
    #expect(problem.code == "scope_missing")
    #expect(problem.detail.contains("Developer Portal"))
    #expect(
      problem.fields == [
        .init("required", .array([.string("store_v2_products")])),
        .init("granted", .array([.string("store_v2_orders")])),
      ])
  }
}
