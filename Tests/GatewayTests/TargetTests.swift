import Base
import Gateway
import TestSupport
import Testing

@Suite struct `Targets` {
  @Test(arguments: [
    "/stores/abc/v3/catalog/products", "/stores/abc/v2/orders/7/products", "/stores/abc/graphql",
    "/stores/abc/v3/catalog/products/", "/stores/abc/v3/", "/stores/abc/v2", "/stores/abc/v3/x?",
    "/stores/abc/v3/products.json?a=%2F..%2f&b=c:d,e|f\\g;h%",
    "/stores/0/v3/a%20b/c%C3%A9/~x!$&'()*+,=:@[]^`{|}",
    "/stores/abc/graphql?x=/../", "/stores/abc/v3/.well-known/..a/a../a.b",
    "/stores/abc/v3/%E4%B8%AD",
    "/stores/abcdefghijklmnopqrstuvwxyz012345/v3/hooks?limit=1",
  ])
  func `a canonical target passes with exactly its bytes`(_ text: String) throws {
    #expect(Array(try Target(parsing: text).text.utf8) == Array(text.utf8))
  }

  @Test func `store, surface and resource path are read from it`() throws {
    let target = try Target(parsing: "/stores/abc/v3/catalog/products/7/?limit=1")
    #expect(target.store.text == "abc")
    #expect(target.surface == .v3)
    #expect(target.resourcePath == "/v3/catalog/products/7/")
    #expect(try Target(parsing: "/stores/abc/v2/store").surface == .v2)
    #expect(try Target(parsing: "/stores/abc/graphql?x").surface == .graphql)
    #expect(try Target(parsing: "/stores/abc/graphql?x").resourcePath == "/graphql")
  }

  @Test(arguments: [
    ("", TargetFault.notOriginForm), ("*", .notOriginForm),
    ("http://a/stores/abc/v3/x", .notOriginForm),
    ("/", .notAStorePath), ("/stores", .notAStorePath), ("/stores/abc", .notAStorePath),
    ("/stores/abc/", .notAStorePath), ("/Stores/abc/v3/x", .notAStorePath),
    ("/v1/stores", .notAStorePath),
    ("/st%6Fres/abc/v3/x", .notAStorePath), ("/stores/ABC/v3/x", .storeHash),
    ("/stores/a-b/v3/x", .storeHash),
    ("/stores/%61/v3/x", .storeHash),
    ("/stores/abcdefghijklmnopqrstuvwxyz0123456/v3/x", .storeHash),
    ("/stores/abc/v1/x", .surface), ("/stores/abc/V3/x", .surface),
    ("/stores/abc/%763/x", .surface),
    ("/stores/abc/v3x", .surface), ("/stores/abc/graphql/", .behindGraphQL),
    ("/stores/abc/graphql/x", .behindGraphQL), ("//stores/abc/v3/x", .emptySegment),
    ("/stores//abc/v3/x", .emptySegment), ("/stores/abc/v3//x", .emptySegment),
    ("/stores/abc/v3/x//", .emptySegment),
    ("/stores/abc/v3/.", .dotSegment), ("/stores/abc/v3/..", .dotSegment),
    ("/stores/abc/v3/../x", .dotSegment),
    ("/stores/abc/v3/./x", .dotSegment), ("/stores/../v3/x", .dotSegment),
    ("/stores/abc/v3/...", .dotSegment),
    ("/stores/abc/v3/..%20/x", .dotSegment), ("/stores/abc/v3/%20/x", .dotSegment),
    ("/stores/abc/v3/a;b", .semicolon), ("/stores/abc/v3/a\\b", .backslash),
    ("/stores/abc/v3/a#b", .fragment),
    ("/stores/abc/v3/a?b#c", .fragment), ("/stores/abc/v3/a b", .forbiddenByte),
    ("/stores/abc/v3/é", .forbiddenByte),
    ("/stores/abc/v3/a?b c", .forbiddenByte), ("/stores/abc/v3/a?é", .forbiddenByte),
    ("/stores/abc/v3/a\n", .forbiddenByte), ("/stores/abc/v3/a\u{7F}", .forbiddenByte),
    ("/stores/abc/v3/a\0", .forbiddenByte), ("/stores/abc/v3/a?\r\nX: y", .forbiddenByte),
  ])
  func `anything else is refused and told why`(_ text: String, _ fault: TargetFault) {
    #expect(throws: fault) { try Target(parsing: text) }
  }

  @Test(arguments: [
    "%2e", "%2E", "%2f", "%2F", "%5c", "%5C", "%25", "%252e", "%25252f", "%00", "%0a", "%0D", "%7f",
    "%3b", "%3B",
    "%ef%bc%8e", "%EF%BC%8F", "%e2%80%a5", "%c4%ae", "%c4%af", "%ef%bb%bf%2e", "%c2%80", "%c2%9f",
  ])
  func `an escape of a character with a meaning is refused at any depth`(_ escape: String) {
    for path in [
      "/stores/abc/v3/\(escape)", "/stores/abc/v3/a\(escape)b/c",
      "/stores/abc/v3/\(escape)\(escape)/",
    ] {
      #expect(throws: TargetFault.forbiddenEscape) { try Target(parsing: path) }
    }
  }

  @Test(arguments: [
    "%", "%2", "%g0", "%%32%65", "%u002e", "%c0%ae", "%c0%af", "%e0%80%ae", "%f0%80%80%ae", "%80",
    "%ff", "%c3",
    "%c3a9", "%ed%a0%80", "%f4%90%80%80", "%c3%", "%e4%b8", "%2%65",
  ])
  func `an escape that is malformed or no well-formed UTF-8 is refused`(_ escape: String) {
    #expect(throws: TargetFault.malformedEscape) {
      try Target(parsing: "/stores/abc/v3/a\(escape)")
    }
  }

  @Test func `no line of the corpus passes that any lenient decoder resolves elsewhere`() {
    let seed: UInt64 = 0x1A7C_4E57
    var passed = 0
    for line in TraversalCorpus(seed: seed).prefix(count(ordinary: 20_000, full: 200_000)) {
      guard let target = try? Target(parsing: line) else { continue }
      passed += 1
      #expect(target.text == line, "seed \(seed)")
      let path = String(line.prefix { $0 != "?" })
      for place in LenientDecoders.readings(of: path) {
        let isInside =
          place.count >= 3 && place[0] == "stores" && place[1] == target.store.text
          && ["v2", "v3", "graphql"].contains(place[2])
        #expect(isInside, "seed \(seed): \(line) may mean \(place)")
      }
    }
    #expect(passed > 100, "the corpus must hold canonical lines too; seed \(seed)")
  }

  @Test func `the lenient decoders find the way out when nothing checks the path`() {
    var escaping = 0
    for line in TraversalCorpus(seed: 7).prefix(1500) where line.hasPrefix("/stores/own5tore/v3/") {
      let places = LenientDecoders.readings(of: String(line.prefix { $0 != "?" }))
      if places.contains(where: { Array($0.prefix(2)) != ["stores", "own5tore"] }) {
        escaping += 1
      }
    }
    #expect(escaping > 20)
  }
}
