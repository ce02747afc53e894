import BigCommerce
import HTTPTypes
import TestSupport
import Testing

@Suite struct `Path patterns` {
  private static let longest = "/v3/" + String(repeating: "x", count: PathPattern.maxLength - 4)

  @Test(arguments: [
    "/graphql", "/v2/**", "/v3/**", "/v3/*", "/v2/orders", "/v3/catalog/products/*",
    "/v3/catalog/**", "/v3/*/products/*/**", "/v3/.well-known/a_b~c/0",
    longest,
  ])
  func `a pattern is kept as it was written`(_ text: String) throws {
    #expect(try PathPattern(text).text == text)
    #expect(try PathPattern(text) == PathPattern(text))
  }

  @Test(arguments: [
    ("", PathPatternFault.notAResourcePath), ("*", .notAResourcePath), ("v3/x", .notAResourcePath),
    ("/", .emptySegment), ("/v2", .notAResourcePath), ("/v3", .notAResourcePath),
    ("/v4/x", .notAResourcePath), ("/*/x", .notAResourcePath), ("/**", .notAResourcePath),
    ("/V3/x", .notAResourcePath), ("/graphql/**", .notAResourcePath),
    ("/graphql/x", .notAResourcePath), ("/stores/abc/v3/x", .notAResourcePath),
    ("/v3/", .emptySegment), ("/v3/x/", .emptySegment), ("/v3//x", .emptySegment),
    ("//v3/x", .emptySegment), ("/v3/**/x", .openMiddle), ("/v3/**/**", .openMiddle),
    ("/v3/***", .partOfSegment), ("/v3/x*", .partOfSegment), ("/v3/*.json", .partOfSegment),
    ("/v3/{id}", .character), ("/v3/%2a", .character), ("/v3/x?y=1", .character),
    ("/v3/x#y", .character), ("/v3/x y", .character), ("/v3/é", .character),
    ("/v3/x\\y", .character), ("/v3/x;y", .character), ("/v3/[0-9]+", .character),
    ("/v3/x:y", .character), ("/v3/x\n", .character), ("/v3/x\0", .character),
    ("/v3/.", .dots), ("/v3/../v2/x", .dots), ("/v3/x.json", .ending),
    ("/v2/orders.json/x", .ending),
    (longest + "x", .tooLong),
  ])
  func `what could be read in another way is refused`(_ text: String, _ fault: PathPatternFault) {
    #expect(throws: fault) { try PathPattern(text) }
    #expect(!fault.reason.isEmpty)
  }

  @Test(arguments: [
    ("/v3/catalog/products", "/v3/catalog/products", true),
    ("/v3/catalog/products", "/v3/catalog/products/", true),
    ("/v3/catalog/products", "/v3/catalog/products.json", true),
    ("/v3/catalog/products", "/v3/catalog/products.json/", true),
    ("/v3/catalog/products", "/v3/catalog/products/1", false),
    ("/v3/catalog/products", "/v3/catalog/product", false),
    ("/v3/catalog/products", "/v3/catalog/products2", false),
    ("/v3/catalog/products", "/v3/catalog/products.xml", false),
    ("/v3/catalog/products", "/v3/catalog/Products", false),
    ("/v3/catalog/products", "/v3/catalog/%70roducts", false),
    ("/v3/catalog/products", "/v2/catalog/products", false),
    ("/v3/catalog/products/*", "/v3/catalog/products/1", true),
    ("/v3/catalog/products/*", "/v3/catalog/products/1.json", true),
    ("/v3/catalog/products/*", "/v3/catalog/products/%C3%A9", true),
    ("/v3/catalog/products/*", "/v3/catalog/products", false),
    ("/v3/catalog/products/*", "/v3/catalog/products/", false),
    ("/v3/catalog/products/*", "/v3/catalog/products/1/images", false),
    ("/v3/catalog/*/7", "/v3/catalog/products.json/7", true),
    ("/v3/catalog/products/7", "/v3/catalog/products.json/7", false),
    ("/v3/catalog/**", "/v3/catalog/products/1/images/2/", true),
    ("/v3/catalog/**", "/v3/catalog/products", true),
    ("/v3/catalog/**", "/v3/catalog", false), ("/v3/catalog/**", "/v3/catalog/", false),
    ("/v3/catalog/**", "/v3/catalog.json", false), ("/v3/catalog/**", "/v3/catalogs/x", false),
    ("/v3/**", "/v3/x", true), ("/v3/**", "/v2/x", false), ("/v3/**", "/v3", false),
    ("/graphql", "/graphql", true), ("/v3/**", "/graphql", false), ("/v2/x", "/v2", false),
  ])
  func `a path matches or does not`(_ pattern: String, _ path: String, _ expected: Bool) throws {
    #expect(try PathPattern(pattern).matches(path[...]) == expected)
  }

  /// All patterns of up to three words, and all paths of up to five segments, of which `c` stands
  /// for every word that no pattern names.
  private static let patterns: [[String]] = sequences(of: ["a", "b", "*"], upTo: 3).flatMap {
    $0.isEmpty ? [$0 + ["**"]] : [$0, $0 + ["**"]]
  }
  private static let paths = sequences(of: ["a", "b", "c"], upTo: 5).filter { !$0.isEmpty }

  private static func sequences(of words: [String], upTo count: Int) -> [[String]] {
    guard count > 0 else { return [[]] }
    let shorter = sequences(of: words, upTo: count - 1)
    return shorter
      + shorter.filter { $0.count == count - 1 }.flatMap { one in
        words.map { one + [$0] }
      }
  }

  /// The grammar's words, read the slow way.
  private static func oracle(_ pattern: ArraySlice<String>, _ path: ArraySlice<String>) -> Bool {
    guard let word = pattern.first else { return path.isEmpty }
    guard let segment = path.first else { return false }
    if word == "**" { return true }
    return (word == "*" || word == segment) && oracle(pattern.dropFirst(), path.dropFirst())
  }

  private static func text(_ segments: [String]) -> String {
    "/v3/" + segments.joined(separator: "/")
  }

  @Test func `every small pattern matches just what the grammar says`() throws {
    for words in Self.patterns {
      let pattern = try PathPattern(Self.text(words))
      for path in Self.paths {
        let expected = Self.oracle(words[...], path[...])
        #expect(pattern.matches(Self.text(path)[...]) == expected, "\(pattern) \(path)")
      }
    }
  }

  @Test func `one pattern covers another exactly when it matches all that the other does`() throws {
    let known = try Self.patterns.map { words in
      (
        pattern: try PathPattern(Self.text(words)),
        matches: Set(Self.paths.indices.filter { Self.oracle(words[...], Self.paths[$0][...]) })
      )
    }
    var covered = 0
    for one in known {
      for other in known {
        let expected = one.matches.isSuperset(of: other.matches)
        #expect(one.pattern.covers(other.pattern) == expected, "\(one.pattern) \(other.pattern)")
        covered += expected ? 1 : 0
      }
    }
    #expect(known.count == 79 && covered > 500)
  }

  @Test func `no text makes a pattern trap, and what is taken has one spelling`() {
    var random = SeededGenerator()
    let alphabet = Array("/v23*.abc{}%?~-_ \u{e9}json".unicodeScalars)
    for _ in 0..<count(ordinary: 20_000, full: 1_000_000) {
      let length = Int.random(in: 0...14, using: &random)
      var text = Bool.random(using: &random) ? "/v3/" : "/"
      for _ in 0..<length {
        text.unicodeScalars.append(alphabet[Int.random(in: 0..<alphabet.count, using: &random)])
      }
      guard let pattern = try? PathPattern(text) else { continue }
      let segments = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
      #expect(segments.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }, "\(random.seed)")
      #expect(pattern.covers(pattern))
      #expect(pattern.text == text)
    }
  }
}

@Suite struct `Sets of methods` {
  @Test func `GET holds HEAD, and a star all`() throws {
    #expect(try MethodSet(names: ["GET"]).names == ["GET", "HEAD"])
    #expect(try MethodSet(names: ["HEAD"]).names == ["HEAD"])
    #expect(try MethodSet(names: ["DELETE", "POST", "POST"]).names == ["POST", "DELETE"])
    #expect(try MethodSet(names: ["*"]) == .all)
    #expect(try MethodSet(names: ["GET", "POST", "PUT", "PATCH", "DELETE"]) == .all)
    #expect(MethodSet.all.names == ["*"])
    #expect(!MethodSet.all.contains(.options) && !MethodSet.all.contains(.trace))
    #expect(MethodSet(knownOf: ["GET", "QUERY"]).names == ["GET", "HEAD"])
  }

  @Test(arguments: ["get", "", "OPTIONS", "TRACE", "CONNECT", "GET ", "**"])
  func `anything else is refused by name`(_ name: String) {
    #expect(throws: UnknownMethod(name: name)) { try MethodSet(names: ["GET", name]) }
  }
}
