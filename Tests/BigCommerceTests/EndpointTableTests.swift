import Foundation
import HTTPTypes
import TestSupport
import Testing

@testable import BigCommerce

/// One row of the platform's table, as it stands there.
struct PlatformRow: Sendable {
  let method: String
  let path: String
  let read: Set<String>
  let modify: Set<String>
  let determined: String

  /// What the row's method needs.
  var needed: Set<String> { method == "GET" ? read : modify }

  /// Where `endpoints.tsv` lies: `LATCHKEY_PLATFORM_DATA`, or beside the repository.
  static var file: URL {
    let environment = ProcessInfo.processInfo.environment
    if let folder = environment["LATCHKEY_PLATFORM_DATA"] {
      return URL(fileURLWithPath: folder).appendingPathComponent("endpoints.tsv")
    }
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    return root.deletingLastPathComponent()
      .appendingPathComponent("shared/bigcommerce/endpoints.tsv")
  }

  static var isPresent: Bool { FileManager.default.fileExists(atPath: file.path) }

  static func all() throws -> [PlatformRow] {
    let text = try String(contentsOf: file, encoding: .utf8)
    return text.split(separator: "\n").dropFirst().map { line in
      let columns = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      return PlatformRow(
        method: columns[0], path: columns[1],
        read: Set(columns[3].split(separator: " ").map(String.init)),
        modify: Set(columns[4].split(separator: " ").map(String.init)), determined: columns[6])
    }
  }
}

extension EndpointRule {
  /// The need as the platform's table writes it.
  fileprivate var asWritten: Set<String> {
    switch need {
    case .anyOf(let scopes): Set(scopes.names)
    case .anyToken: ["*"]
    case .impossible: ["-"]
    case .unknown: ["?"]
    }
  }

  fileprivate var sourceAsWritten: String {
    switch source {
    case .specText: "spec text"
    case .docsTable: "docs scope table"
    case .docsText: "docs text"
    case .inferred: "inferred"
    case .unknown: "unknown"
    }
  }
}

@Suite struct `Endpoint table` {
  private let table = EndpointTable.shared

  private func rule(_ method: HTTPRequest.Method, _ path: String) -> EndpointRule? {
    table.rule(method: method, path: path)
  }

  @Test func `every line of the source is read`() {
    #expect(table.unreadableLines == [])
  }

  @Test(
    .enabled(
      if: PlatformRow.isPresent,
      "NOT COMPARED: endpoints.tsv is absent; set LATCHKEY_PLATFORM_DATA to its folder"))
  func `every row of the platform's table is in ours, with its scopes and source`() throws {
    let rows = try PlatformRow.all()
    #expect(rows.count == 767)
    for row in rows {
      let method = try #require(HTTPRequest.Method(row.method))
      for path in concrete(row.path) {
        let found = try #require(rule(method, path), "\(row.method) \(path)")
        #expect(found.asWritten == row.needed, "\(row.method) \(path)")
        #expect(row.determined.hasPrefix(found.sourceAsWritten + ":"), "\(row.method) \(path)")
        if row.method == "GET" { #expect(rule(.head, path) == found) }
      }
    }
  }

  /// The template with its names filled in, in the spellings that mean the same.
  private func concrete(_ template: String) -> [String] {
    let filled = template.split(separator: "/").map { $0.hasPrefix("{") ? "81-f3_x" : $0 }
    let path = "/" + filled.joined(separator: "/")
    return [path, path + "/", path + ".json", path + ".json/", path + "?limit=1", path + "/?a=/b"]
  }

  @Test(
    .enabled(
      if: PlatformRow.isPresent,
      "NOT COMPARED: endpoints.tsv is absent; set LATCHKEY_PLATFORM_DATA to its folder"))
  func `ours has no path and no method more`() throws {
    let rows = try PlatformRow.all()
    let listed = Set(rows.map { "\($0.method) \(generic($0.path))" })
    let paths = (EndpointTable.rowsV2 + "\n" + EndpointTable.rowsV3).split(separator: "\n")
      .compactMap { $0.split(separator: " ").first }
    for path in paths {
      let example = path.split(separator: "/").map { $0.hasPrefix("{") ? "81" : String($0) }
      for method in [HTTPRequest.Method.get, .post, .put, .delete, .patch, .options] {
        let isListed = listed.contains("\(method.rawValue) \(generic(String(path)))")
        let found = rule(method, "/" + example.joined(separator: "/"))
        #expect((found != nil) == isListed, "\(method) \(path)")
      }
    }
  }

  private func generic(_ path: String) -> String {
    path.split(separator: "/").map { $0.hasPrefix("{") ? "{}" : String($0) }.joined(separator: "/")
  }

  @Test func `literal segments match before templates, in the whole path`() throws {
    let settings = try #require(rule(.get, "/v3/carts/settings"))
    let cart = try #require(rule(.get, "/v3/carts/e3f1"))
    #expect(settings.alternatives.contains("store_v2_information"))
    #expect(cart.alternatives.contains("store_cart"))
    // A literal that leads nowhere does not hide the template.
    let items = try #require(rule(.post, "/v3/carts/settings/items"))
    #expect(items == rule(.post, "/v3/carts/e3f1/items"))
  }

  @Test func `the path alone chooses the resource`() {
    #expect(rule(.delete, "/v3/carts/e3f1") != nil)
    #expect(rule(.delete, "/v3/carts/settings") == nil)
    #expect(rule(.delete, "/v2/products/count") == nil)
  }

  @Test(arguments: [
    "/v3/carts/SETTINGS", "/v3/carts/Settings", "/v3/carts/%73ettings", "/v3/carts/setting%73",
    "/v3/carts/settings.xml", "/v3/carts/settings.JSON", "/v3/carts/settings.json.json",
    "/v3/carts/settings%20", "/v3/carts/settings+", "/v3/carts/settings;x", "/v3/carts/settings:",
    "/V3/carts/1", "/v3/%63arts/1", "/v3/Carts/1", "/v3/carts.xml/1", "/v3/carts/settings%2e",
    "/v3/carts/%53ETTINGS", "/v3/CARTS/settings",
  ])
  func `what only a lenient reader takes for a literal is not listed`(_ path: String) {
    #expect(rule(.get, path) == nil)
    #expect(rule(.delete, path) == nil)
  }

  @Test(arguments: [
    "/v3/carts/settings2", "/v3/carts/settings-x", "/v3/carts/setting", "/v3/carts/%61bc",
    "/v3/carts/%", "/v3/carts/%7", "/v3/carts/%zz", "/v3/carts/.json",
  ])
  func `another name than a literal's is an identifier`(_ path: String) {
    #expect(rule(.get, path)?.alternatives == ["store_cart", "store_cart_read_only"])
  }

  @Test(arguments: [
    "", "/", "//", "v3/carts/1", "/v3", "/v3/", "/v3/carts//", "//v3/carts/1", "/v3//carts/1",
    "/v3/carts/1//", "/v3/nothing", "/v3/catalog", "/v1/products", "/v3/catalog/products/1/x/y/z",
    "/graphql/x", "?", "/?", "/v3/carts/1/items/2/3",
  ])
  func `anything else is not listed`(_ path: String) {
    for method in [HTTPRequest.Method.get, .head, .post, .put, .delete] {
      #expect(rule(method, path) == nil, "\(method)")
    }
  }

  @Test func `methods that no endpoint has are not listed`() {
    for method in [HTTPRequest.Method.patch, .options, .trace, .connect] {
      #expect(rule(method, "/v3/catalog/products") == nil)
    }
  }

  @Test func `GraphQL and what nobody knows are marked`() throws {
    let graphQL = try #require(rule(.post, "/graphql"))
    #expect(graphQL.need == .unknown)
    #expect(graphQL.isUnlisted)
    #expect(!graphQL.isAuthoritative)
    #expect(!graphQL.isMet(by: Scopes(["store_v2_products"])))
    #expect(rule(.put, "/v3/tax/classes")?.isUnlisted == true)
    #expect(rule(.get, "/graphql") == nil)
  }

  @Test func `hooks need no scope`() throws {
    let hooks = try #require(rule(.get, "/v3/hooks"))
    #expect(hooks.need == .anyToken)
    #expect(hooks.isMet(by: .none))
    #expect(hooks.isAuthoritative)
  }

  @Test func `only spec text and docs tables are authoritative`() {
    for source in EndpointRule.Source.allCases {
      let rule = EndpointRule(need: .anyToken, source: source)
      #expect(rule.isAuthoritative == (source == .specText || source == .docsTable))
    }
    #expect(rule(.get, "/v2/products/1")?.isAuthoritative == false)
    #expect(rule(.get, "/v3/catalog/products/1")?.isAuthoritative == true)
    #expect(rule(.get, "/v3/themes")?.source == .docsTable)
  }

  @Test func `reading takes either scope, writing the modify scope`() throws {
    let read = try #require(rule(.get, "/v3/catalog/products/12"))
    let write = try #require(rule(.put, "/v3/catalog/products/12"))
    let readOnly = Scopes(["store_v2_products_read_only"])
    let modify = Scopes(["store_v2_products"])
    #expect(read.isMet(by: readOnly) && read.isMet(by: modify))
    #expect(!write.isMet(by: readOnly) && write.isMet(by: modify))
    #expect(!read.isMet(by: Scopes(["store_v2_orders"])) && !read.isMet(by: .none))
  }
}

/// The same question answered without a tree: all rows are looked at, and the most literal match
/// wins.
@Suite struct `Endpoint look-up against a plain search` {
  private struct Row {
    let segments: [Substring]
    let methods: Set<Character>
  }

  private let rows: [Row]

  init() {
    rows = (EndpointTable.rowsV2 + "\n" + EndpointTable.rowsV3).split(separator: "\n").map { line in
      let words = line.split(separator: " ")
      let methods = stride(from: 1, to: words.count, by: 3).flatMap { Array(words[$0]) }
      return Row(segments: words[0].split(separator: "/"), methods: Set(methods))
    }
  }

  /// Whether a row lists it: the best match is the one whose literals come first.
  private func isListed(_ letter: Character, _ segments: [Substring]) -> Bool {
    let matching = rows.filter { row in
      row.segments.count == segments.count
        && zip(row.segments, segments).allSatisfy { $0.hasPrefix("{") ? !$1.isEmpty : $0 == $1 }
    }
    let ranks = matching.map { row in row.segments.map { $0.hasPrefix("{") ? "1" : "0" }.joined() }
    guard let best = ranks.min() else { return false }
    return zip(matching, ranks).contains { $1 == best && $0.methods.contains(letter) }
  }

  @Test func `both agree on paths made of the table's own segments`() {
    var random = SeededGenerator()
    let words = Array(Set(rows.flatMap(\.segments))).sorted()
    for _ in 0..<count(ordinary: 3000, full: 100_000) {
      guard var segments = rows.randomElement(using: &random)?.segments else { continue }
      for index in segments.indices where segments[index].hasPrefix("{") {
        segments[index] =
          Bool.random(using: &random) ? "17" : words.randomElement(using: &random) ?? "17"
        if segments[index].hasPrefix("{") { segments[index] = "x" }
      }
      if Int.random(in: 0..<4, using: &random) == 0 {
        segments.append(words.randomElement(using: &random) ?? "x")
      }
      let path = "/" + segments.joined(separator: "/")
      for (letter, method) in [
        ("G", HTTPRequest.Method.get), ("P", .post), ("U", .put), ("D", .delete),
      ] {
        let found = EndpointTable.shared.rule(method: method, path: path)
        #expect(
          (found != nil) == isListed(Character(letter), segments),
          "\(method) \(path), seed \(random.seed)")
      }
    }
  }

  @Test func `no path traps`() {
    var random = SeededGenerator()
    let paths = rows.map { Array(("/" + $0.segments.joined(separator: "/")).utf8) }
    for _ in 0..<count(ordinary: 20_000, full: 500_000) {
      let bytes = random.mutated(paths.randomElement(using: &random) ?? [])
      _ = EndpointTable.shared.rule(method: .get, path: String(decoding: bytes, as: UTF8.self))
    }
  }
}
