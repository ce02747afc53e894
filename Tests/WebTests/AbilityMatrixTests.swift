import BigCommerce
import HTTPTypes
import Hummingbird
import Testing

@testable import Web

@Suite struct `Abilities and routes` {
  /// No ability, each alone, all but `operator`, and these without one of them.
  private static let sets: [[Ability]] = {
    let ordinary = Ability.allCases.filter { $0 != .operator }
    return [[]] + Ability.allCases.map { [$0] } + [ordinary]
      + ordinary.map { one in ordinary.filter { $0 != one } }
  }()

  /// Those that the responder itself answers; the gateway asks for abilities of its own, and the
  /// stream needs a feed.
  private static let operations = Web.Operation.all.filter {
    !$0.path.hasPrefix("/stores/") && $0.id != "streamEvents"
  }

  private func holds(_ abilities: [Ability], _ ability: Ability?) -> Bool {
    ability.map { abilities.contains($0) || abilities.contains(.operator) } ?? true
  }

  /// A path of the template whose open parts name what cannot be, or might well be.
  private func path(_ template: String, _ argument: String) -> String {
    template.split(separator: "/")
      .map { $0 == "{act}" ? "suspend" : $0.hasPrefix("{") ? argument : String($0) }
      .reduce("") { $0 + "/" + $1 }
  }

  @Test func `an operation is begun for its ability, and for no other`() async throws {
    let rig = try InternalRig()
    var cells = 0
    for operation in Self.operations {
      let methods = operation.method == .get ? [.get, .head] : [operation.method]
      for (abilities, method) in Self.sets.flatMap({ set in methods.map { (set, $0) } }) {
        cells += 1
        let path = path(operation.path, "abc")
        let answer = await rig.call(method, path, holding: abilities)
        let begun = rig.begun.take()
        let cell = "\(method) \(path) with \(abilities)"
        if holds(abilities, operation.access.ability) {
          #expect(answer.status == .ok, "\(cell)")
          #expect(begun == [operation.id] || !path.hasPrefix("/v1/"), "\(cell)")
        } else {
          #expect(answer.status == .forbidden && begun.isEmpty, "\(cell)")
          let said = try await answer.text()
          let missing = try #require(operation.access.ability)
          #expect(said.contains(#""missing_ability":"\#(missing.rawValue)""#), "\(cell): \(said)")
        }
      }
    }
    print("\(cells) cells: \(Self.operations.count) operations, \(Self.sets.count) sets")
    #expect(cells > 1200)
  }

  @Test func `a refusal is the same for every path of the operation, and without a key`()
    async throws
  {
    let rig = try InternalRig()
    for operation in Self.operations {
      var said: Set<String> = []
      for argument in ["abc", "nosuch", "1", "a%20b", "UPPER"] {
        let path = path(operation.path, argument)
        said.insert(try await rig.call(operation.method, path, holding: []).text())
        let stranger = await rig.call(operation.method, path, holding: nil)
        #expect(stranger.status == (operation.access.isOpen ? .ok : .unauthorized), "\(path)")
      }
      #expect(said.count == 1, "\(operation.id): \(said)")
      #expect(rig.begun.take().isEmpty || operation.access.ability == nil)
    }
  }

  @Test func `a page or act of the console is begun for its ability, and for no other`()
    async throws
  {
    let rig = try InternalRig()
    let routes = rig.console.sections.flatMap(\.routes)
    var cells = 0
    for (route, abilities) in routes.flatMap({ route in Self.sets.map { (route, $0) } }) {
      let template = "console/" + route.template.segments.joined(separator: "/")
      var refusals: Set<String> = []
      for argument in ["abc", "nosuch"] {
        cells += 1
        let path = path(template, argument)
        let answer = try await rig.visit(route.method, path, holding: abilities)
        let text = try await answer.text()
        let cell = "\(route.method) \(path) with \(abilities)"
        let words = "it lacks the ability \(route.ability.rawValue)."
        if holds(abilities, route.ability) {
          #expect([200, 303, 400, 404].contains(answer.status.code), "\(cell): \(answer.status)")
          #expect(!text.contains("it lacks the ability"), "\(cell): \(text)")
          #expect(!text.contains("leads to nothing"), "\(cell)")
          _ = rig.begun.take()
        } else {
          #expect(answer.status == .forbidden && text.contains(words), "\(cell)")
          #expect(rig.begun.take().isEmpty, "\(cell)")
          refusals.insert(
            text.replacing(path, with: "").replacing(/value="[0-9a-f]{32}"/, with: ""))
          if route.method == .get {
            let stream = try await rig.visit(
              .get, path, holding: abilities, accept: "text/event-stream")
            #expect(stream.status == .forbidden && rig.begun.take().isEmpty, "\(cell)")
          }
        }
      }
      #expect(refusals.count <= 1, "\(template): \(refusals)")
    }
    print("\(cells) cells: \(routes.count) routes of the console, \(Self.sets.count) sets")
    #expect(cells > 1200)
  }

  @Test func `the console leads to what a key may see, and to nothing else`() async throws {
    let rig = try InternalRig()
    for abilities in Self.sets {
      let seen = rig.console.sections.filter { holds(abilities, $0.ability) }
      let first = try await rig.visit(.get, "/console", holding: abilities)
      #expect(first.headers[.location] == seen.first.map { "/console/\($0.path)" })
      #expect(first.status == (seen.isEmpty ? .forbidden : .seeOther))
      let page = try await rig.visit(.get, "/console/nosuch", holding: abilities).text()
      let navigation = try #require(page.firstMatch(of: /(?s)<nav aria-label=.*?<\/nav>/)).output
      let links = navigation.matches(of: /href="\/console\/([a-z]+)"/).map { String($0.1) }
      #expect(links == seen.map(\.path), "\(abilities)")
    }
  }
}

extension Web.Operation.Access {
  fileprivate var isOpen: Bool {
    if case .open = self { true } else { false }
  }
}
