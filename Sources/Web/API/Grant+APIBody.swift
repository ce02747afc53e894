import Base
import BigCommerce

extension Grant {
  /// How many seconds a key may live.
  static let lifetimes: ClosedRange<Int64> = 1...3_153_600_000

  /// Reads a grant that begins at a moment.
  /// - Throws: 400 that names the field and what it may hold.
  init(_ body: APIBody, now: Timestamp) throws(Problem) {
    var app: AppName?
    if let text = try body.optionalText("app") {
      guard let name = AppName(text) else { throw .badRequest("The field app is an app's name.") }
      app = name
    }
    let rate = try body.integer("rate", in: CallRate.allowed)
    let expiresIn = try body.integer("expires_in", in: Grant.lifetimes)
    self.init(
      app: app, stores: try Grant.stores(body), scopes: .init(names: try body.texts("scopes")),
      methods: try Grant.methods(body), paths: try Grant.paths(body),
      abilities: try Grant.abilities(body),
      rate: rate.flatMap { CallRate(callsPerMinute: $0) },
      expiresAt: expiresIn.map { now + .seconds($0) })
  }

  private static func abilities(_ body: APIBody) throws(Problem) -> Abilities {
    let names = try body.texts("abilities")
    do throws(UnknownAbility) {
      return try Abilities(names: names)
    } catch {
      let names = Ability.allCases.map(\.rawValue).joined(separator: ", ")
      throw .badRequest("\(error.name) is not an ability. Abilities: \(names).")
    }
  }

  /// The stores that a body names; the field must be there.
  static func stores(_ body: APIBody) throws(Problem) -> Stores {
    let names = try body.texts("stores")
    if names == ["*"] { return .all }
    do throws(UnknownStoreName) {
      return try Stores(names: names)
    } catch {
      throw .badRequest(
        """
        \(error.name.debugDescription) in the field stores is neither a store hash nor a label such as label:vip; \
        "*", for all stores, stands alone.
        """)
    }
  }

  private static func methods(_ body: APIBody) throws(Problem) -> MethodSet {
    guard let names = try limited("methods", body) else { return .all }
    do throws(UnknownMethod) {
      return try MethodSet(names: names)
    } catch {
      throw .badRequest(
        """
        \(error.name.debugDescription) in the field methods is none of GET, HEAD, POST, PUT, PATCH and DELETE; GET \
        holds HEAD.
        """)
    }
  }

  private static func paths(_ body: APIBody) throws(Problem) -> PathLimit {
    guard let texts = try limited("paths", body) else { return .all }
    guard texts.count <= PathPattern.mostPerGrant else {
      throw .badRequest("The field paths has at most \(PathPattern.mostPerGrant) patterns.")
    }
    var patterns: Set<PathPattern> = []
    for text in texts {
      do throws(PathPatternFault) {
        patterns.insert(try PathPattern(text))
      } catch {
        throw .badRequest(
          """
          The pattern \(text.debugDescription) in the field paths \(error.reason). Patterns are paths such as \
          /v3/catalog/products/*, with * for one segment, or /v3/catalog/**, with ** for one or more.
          """)
      }
    }
    return .only(patterns)
  }

  /// The names of a limit; `nil` when the field is left out or `["*"]`.
  private static func limited(_ name: String, _ body: APIBody) throws(Problem) -> [String]? {
    guard let names = try body.optionalTexts(name), names != ["*"] else { return nil }
    guard !names.isEmpty else {
      throw .badRequest("The field \(name) is empty, which allows no call; leave it out for all.")
    }
    guard !names.contains("*") else {
      throw .badRequest("\"*\" in the field \(name) stands alone.")
    }
    return names
  }
}
