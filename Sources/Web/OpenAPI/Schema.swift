import Base

/// What a JSON value may be: a JSON schema of OpenAPI 3.1, with an example and words for people.
package struct Schema: Sendable {
  /// The keywords, without a name.
  let keywords: [JSONValue.Member]
  /// Its name among the document's components; `nil`: it stands where it is used.
  let name: String?
  /// What kind of value it is, in a few words.
  let words: String
  /// A value that it allows.
  let example: JSONValue
  /// The members, of an object.
  let fields: [Field]
  /// What it is made of.
  let parts: [Schema]

  init(
    _ keywords: [JSONValue.Member], name: String? = nil, words: String, example: JSONValue,
    fields: [Field] = [], parts: [Schema] = []
  ) {
    self.keywords = keywords
    self.name = name
    self.words = words
    self.example = example
    self.fields = fields
    self.parts = parts
  }

  /// The schema where it is used: itself, or where it stands.
  var json: JSONValue {
    name.map { ["$ref": .string("#/components/schemas/\($0)")] } ?? .object(keywords)
  }

  /// Itself and all that it is made of, if named, by name.
  func named(into found: inout [String: JSONValue]) {
    if let name {
      guard found[name] == nil else { return }
      found[name] = .object(keywords)
    }
    for part in parts { part.named(into: &found) }
  }

  func with(example: JSONValue) -> Schema {
    Schema(
      keywords, name: name, words: words, example: example, fields: fields, parts: parts)
  }
}

extension Schema {
  /// Any text without NUL, which PostgreSQL cannot keep.
  static func text(
    _ length: ClosedRange<Int>? = nil, pattern: String? = nil, format: String? = nil,
    words: String = "text", example: String = "text"
  ) -> Schema {
    var keywords: [JSONValue.Member] = [.init("type", "string")]
    if let length {
      if length.lowerBound > 0 { keywords.append(.init("minLength", .integer(length.lowerBound))) }
      if length.upperBound < .max {
        keywords.append(.init("maxLength", .integer(length.upperBound)))
      }
    }
    keywords.append(.init("pattern", .string(pattern ?? "^[^\\u0000]*$")))
    if let format { keywords.append(.init("format", .string(format))) }
    return Schema(keywords, words: words, example: .string(example))
  }

  /// A sentence of ours; it may repeat whatever a caller sent.
  static let sentence = Schema([.init("type", "string")], words: "text", example: "…")

  /// One of some words.
  static func word(_ words: [String]) -> Schema {
    Schema(
      [.init("type", "string"), .init("enum", .array(words.map { .string($0) }))],
      words: words.joined(separator: " | "), example: .string(words.first ?? ""))
  }

  /// One of the words of an enumeration.
  static func word<Word: RawRepresentable & CaseIterable>(
    _ type: Word.Type
  ) -> Schema where Word.RawValue == String {
    word(type.allCases.map(\.rawValue))
  }

  /// Always this value.
  static func only(_ value: JSONValue) -> Schema {
    Schema([.init("const", value)], words: value.text, example: value)
  }

  static func integer<Number: BinaryInteger>(_ range: ClosedRange<Number>) -> Schema {
    Schema(
      [
        .init("type", "integer"), .init("minimum", .integer(range.lowerBound)),
        .init("maximum", .integer(range.upperBound)),
      ], words: "\(range.lowerBound) to \(range.upperBound)", example: .integer(range.lowerBound))
  }

  /// A whole number that is not negative.
  static let count = Schema(
    [.init("type", "integer"), .init("minimum", 0)], words: "whole number", example: 0)

  /// Any whole number.
  static let integer = Schema(
    [.init("type", "integer")], words: "whole number", example: 1)

  static let number = Schema([.init("type", "number")], words: "number", example: .number("0.25"))

  static let flag = Schema(
    [.init("type", "boolean")], words: "true or false", example: true)

  /// A moment in UTC, of which every one that is told ends in `Z`.
  static let time = Schema.text(
    pattern:
      "^(19[7-9][0-9]|[2-9][0-9]{3})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?Z$",
    format: "date-time", words: "UTC time", example: "2026-01-31T09:30:00.000Z")

  /// Any JSON value.
  static let anything = Schema([], words: "any JSON", example: .object([]))

  static let anyObject = Schema(
    [.init("type", "object")], words: "object", example: .object([]))

  static func list(of item: Schema, _ length: ClosedRange<Int>? = nil, unique: Bool = false)
    -> Schema
  {
    var keywords: [JSONValue.Member] = [.init("type", "array"), .init("items", item.json)]
    if let length {
      if length.lowerBound > 0 { keywords.append(.init("minItems", .integer(length.lowerBound))) }
      keywords.append(.init("maxItems", .integer(length.upperBound)))
    }
    if unique { keywords.append(.init("uniqueItems", true)) }
    return Schema(
      keywords, words: "list of " + item.words, example: .array([item.example]), parts: [item])
  }

  /// An object with exactly these members.
  ///
  /// `name` is its name among the components, `about` a sentence, and `choices` are what of its
  /// members may go together, if not everything.
  static func object(
    _ name: String?, _ about: String?, _ fields: [Field], choices: [JSONValue] = []
  ) -> Schema {
    var keywords: [JSONValue.Member] = [.init("type", "object")]
    if let about { keywords.append(.init("description", .string(about))) }
    keywords.append(
      .init("properties", .object(fields.map { .init($0.name, $0.json) })))
    let required = fields.filter(\.isRequired).map { JSONValue.string($0.name) }
    if !required.isEmpty { keywords.append(.init("required", .array(required))) }
    keywords.append(.init("additionalProperties", false))
    if !choices.isEmpty { keywords.append(.init("anyOf", .array(choices))) }
    return Schema(
      keywords, name: name, words: name ?? "object",
      example: .object(fields.filter(\.isShown).map { .init($0.name, $0.schema.example) }),
      fields: fields, parts: fields.map(\.schema))
  }

  /// An object with exactly these members, which stands where it is used.
  static func object(_ fields: [Field]) -> Schema { .object(nil, nil, fields) }

  /// What of an object's members goes together: one that is there, beside others that are not.
  static func choice(with name: String, _ type: String, without others: [String]) -> JSONValue {
    [
      "required": [.string(name)],
      "properties": .object(
        [.init(name, ["type": .string(type)])] + others.map { .init($0, ["type": "null"]) }),
    ]
  }

  /// One of several.
  static func either(_ choices: [Schema]) -> Schema {
    Schema(
      [.init("anyOf", .array(choices.map(\.json)))],
      words: choices.map(\.words).joined(separator: " or "),
      example: choices.first?.example ?? .null, parts: choices)
  }

  /// The same, or null.
  var orNull: Schema {
    let words = words + " or null"
    guard name == nil, case .string(let type)? = keyword("type") else {
      return Schema(
        [.init("anyOf", [json, ["type": "null"]])], words: words, example: example,
        fields: fields, parts: [self])
    }
    let widened = keywords.map { member -> JSONValue.Member in
      switch member.name {
      case "type": .init("type", [.string(type), "null"])
      case "enum": .init("enum", .array((member.value.array ?? []) + [.null]))
      default: member
      }
    }
    return Schema(widened, words: words, example: example, fields: fields, parts: parts)
  }

  private func keyword(_ name: String) -> JSONValue? {
    keywords.first { $0.name == name }?.value
  }
}

/// A member of an object.
package struct Field: Sendable {
  let name: String
  let schema: Schema
  /// What it says, a sentence.
  let about: String
  /// Whether it is always there.
  let isRequired: Bool
  /// Whether examples have it.
  let isShown: Bool

  /// A member that is always there.
  init(_ name: String, _ schema: Schema, _ about: String, example: JSONValue? = nil) {
    self.init(name, schema, about, example, isRequired: true, isShown: true)
  }

  /// A member of a call's body that may be left out; null is the same.
  ///
  /// Examples show it if it has one of its own.
  static func optional(
    _ name: String, _ schema: Schema, _ about: String, example: JSONValue? = nil
  ) -> Field {
    Field(name, schema.orNull, about, example, isRequired: false, isShown: example != nil)
  }

  /// A member of an answer that is not always there.
  static func sometimes(
    _ name: String, _ schema: Schema, _ about: String, example: JSONValue? = nil
  ) -> Field {
    Field(name, schema, about, example, isRequired: false, isShown: example != nil)
  }

  private init(
    _ name: String, _ schema: Schema, _ about: String, _ example: JSONValue?, isRequired: Bool,
    isShown: Bool
  ) {
    self.name = name
    self.schema = example.map { schema.with(example: $0) } ?? schema
    self.about = about
    self.isRequired = isRequired
    self.isShown = isShown
  }

  /// The member's schema with its description; beside a reference a description is allowed since
  /// OpenAPI 3.1.
  var json: JSONValue {
    .object((schema.json.members ?? []) + [.init("description", .string(about))])
  }
}
