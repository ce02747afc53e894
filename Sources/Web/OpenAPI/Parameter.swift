import Base

/// A parameter of a call: in its path, its query or its head.
package struct Parameter: Sendable {
  enum Place: String, Sendable {
    case path, query, header
  }

  let name: String
  let place: Place
  let schema: Schema
  /// What it says, a sentence.
  let about: String
  /// A value that the example of the call has.
  let shown: String?

  static func query(
    _ name: String, _ schema: Schema, _ about: String, shown: String? = nil
  ) -> Parameter {
    Parameter(name: name, place: .query, schema: schema, about: about, shown: shown)
  }

  static func path(_ name: String, _ schema: Schema, _ about: String) -> Parameter {
    Parameter(
      name: name, place: .path, schema: schema, about: about, shown: schema.example.string)
  }

  static func header(_ name: String, _ schema: Schema, _ about: String) -> Parameter {
    Parameter(name: name, place: .header, schema: schema, about: about, shown: nil)
  }

  /// Only a path cannot do without.
  var isRequired: Bool { place == .path }

  var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("name", .string(name)), .init("in", .string(place.rawValue)),
      .init("description", .string(about)), .init("schema", schema.json),
    ]
    if isRequired { members.append(.init("required", true)) }
    if let shown { members.append(.init("example", shownValue(shown))) }
    return .object(members)
  }

  private func shownValue(_ text: String) -> JSONValue {
    if case .number? = Optional(schema.example) { return .number(text) }
    return schema.example.bool == nil ? .string(text) : .bool(text == "true")
  }
}

/// Values that many calls take or tell.
extension Schema {
  static let storeHash = Schema.text(
    pattern: "^[a-z0-9]{1,32}$", words: "store hash", example: "demo1234")
  static let appName = Schema.text(
    pattern: "^[a-z][a-z0-9-]{0,31}$", words: "app name", example: "default")
  static let label = Schema.text(
    pattern: "^[a-z0-9][a-z0-9-]{0,31}$", words: "label", example: "vip")
  static let scopeName = Schema.text(words: "scope", example: "store_v2_products")
  /// Opaque to callers.
  static let cursor = Schema.text(
    1...512, pattern: "^[A-Za-z0-9._-]+$", words: "cursor", example: "ZGVmYXVsdC9kZW1vMTIzNA")
  static let requestID = Schema.text(words: "request ID", example: "r2lzboo6fj80sv-0000005")
  static let keyID = Schema.text(
    pattern: "^[a-z2-7]{12}$", words: "key ID", example: "k4q7w2m5x3ap")
}

/// Parameters of many calls.
extension Parameter {
  static let app = Parameter.query(
    "app", .appName, "The app that is meant. Left out, it is the key's own.")
  static let ofApp = Parameter.query(
    "app", .appName,
    "Only of this app. Left out, it is the key's own, or all for a key of all apps.")
  static let ofStore = Parameter.query("store", .storeHash, "Only of this store.")
  static let limit = Parameter.query(
    "limit", .integer(APIQuery.limits), "How many at most; 100 when left out.", shown: "2")
  static let after = Parameter.query(
    "after", .cursor, "Behind this cursor: the `next` of the previous answer.")
  static let since = Parameter.query("since", .time, "Not before this moment.")
  static let until = Parameter.query("until", .time, "Before this moment.")
  static let storeHash = Parameter.path("store_hash", .storeHash, "The store.")
}
