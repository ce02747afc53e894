import Base
import BigCommerce
import Foundation
import HTTPTypes
import TestSupport
import Testing

@testable import Web

@Suite struct `The description of the internal listener` {
  private static let operations = Web.Operation.all

  @Test func `names each operation, and each method of a path, once`() {
    #expect(Set(Self.operations.map(\.id)).count == Self.operations.count)
    let places = Self.operations.map { "\($0.method.rawValue) \($0.path)" }
    #expect(Set(places).count == places.count)
  }

  @Test(arguments: operations)
  func `has the parameters of the path, and each parameter once`(_ operation: Web.Operation) {
    let inPath = operation.path.split(separator: "/").filter { $0.hasPrefix("{") }
      .map { String($0.dropFirst().dropLast()) }
    let described = operation.parameters.filter { $0.place == .path }.map(\.name)
    #expect(inPath == described)
    let names = operation.parameters.map { "\($0.place) \($0.name)" }
    #expect(Set(names).count == names.count)
    #expect(!operation.answers.isEmpty && !operation.summary.isEmpty)
    let codes = operation.refusals.map { "\($0.status) \($0.code)" }
    #expect(Set(codes).count == codes.count)
  }

  @Test func `knows every code that this listener's sources use, and no other`() throws {
    let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources")
    var used: Set<String> = []
    for module in ["Web", "Gateway"] {
      let files = FileManager.default.enumerator(
        at: sources.appending(path: module), includingPropertiesForKeys: nil)
      for case let file as URL in try #require(files) where file.pathExtension == "swift" {
        // The other listener's, and the console's: its refusals are pages and say no code.
        if ["PublicResponder.swift", "DeliveryDoor.swift"].contains(file.lastPathComponent) {
          continue
        }
        if file.pathComponents.contains("Console") { continue }
        let text = try String(contentsOf: file, encoding: .utf8)
        for match in text.matches(of: #/(?:code: |make\(\s*\d{3}, )"([a-z_]+)"/#) {
          used.insert(String(match.1))
        }
      }
    }
    #expect(Set(ProblemCode.all.map(\.code)) == used)
  }

  @Test(arguments: [
    ("/v1/stores", "GET, HEAD, POST"), ("/v1/keys/a", "DELETE"), ("/livez", "GET, HEAD"),
    ("/stores/a/v3/catalog/products/7", "DELETE, GET, HEAD, PATCH, POST, PUT"),
    ("/stores/a/graphql", "POST"), ("/v1/stores/import", "POST"), ("/v1/events/replay", "POST"),
    ("/nowhere", "DELETE, GET, HEAD, PATCH, POST, PUT"),
  ])
  func `says which methods a path takes`(_ path: String, _ methods: String) {
    let found = Web.Operation.methods(at: path, of: Self.operations)
    #expect(found.joined(separator: ", ") == methods)
  }

  @Test(arguments: [("60", 60), ("60.0", 60), ("6e1", 60), ("60.5", nil), ("1e300", nil)])
  func `calls a number whole however JSON writes it`(_ text: String, _ number: Int64?) throws {
    let body = try APIBody(Array("{\"n\":\(text)}".utf8), known: ["n"])
    #expect((try? body.integer("n", in: 0...100)) == number)
  }

  @Test func `is a page that needs no other file and no script`() throws {
    let page = try DescriptionPage(Self.operations, version: "1.2.3")
    let html = String(decoding: page.bytes, as: UTF8.self)
    for operation in Self.operations {
      #expect(html.contains("<article id=\"\(operation.id)\">"))
    }
    for banned in ["<script", "src=", "href=\"http", "@import", "url(", "javascript:", "{{"] {
      #expect(!html.contains(banned), "\(banned)")
    }
    #expect(!DescriptionTemplate.html.contains("{{{"))
    #expect(page.policy.hasPrefix("default-src 'none'; style-src 'sha256-"))
  }

  @Test func `leads to every anchor that it names`() throws {
    let page = try DescriptionPage(Self.operations, version: "1")
    let html = String(decoding: page.bytes, as: UTF8.self)
    for match in html.matches(of: #/href="#([^"]+)"/#) {
      #expect(html.contains("id=\"\(match.1)\""), "\(match.1)")
    }
  }

  @Test func `has calls that a shell takes`() {
    for operation in Self.operations {
      #expect(operation.curl.filter { $0 == "'" }.count % 2 == 0, "\(operation.curl)")
    }
    #expect(
      Web.Operation.revokeKey.curl == """
        curl -X DELETE "$LATCHKEY_URL/v1/keys/k4q7w2m5x3ap" \\
          -H "Authorization: Bearer $LATCHKEY_KEY"
        """)
  }
}
