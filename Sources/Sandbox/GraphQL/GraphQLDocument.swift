import Base

/// One operation of a GraphQL document: the part of the language that the sandbox answers.
///
/// Fields, aliases, arguments and variables; no fragments, directives or introspection.
struct GraphQLOperation: Sendable {
  /// `query` or `mutation`.
  let kind: String
  let name: String?
  let fields: [GraphQLField]

  /// The number of fields at all depths, which stands for the platform's complexity.
  var complexity: Int { fields.reduce(0) { $0 + $1.complexity } }
}

/// One field of a selection.
struct GraphQLField: Sendable {
  let alias: String
  let name: String
  let arguments: [String: GraphQLArgument]
  let fields: [GraphQLField]

  var complexity: Int { 1 + fields.reduce(0) { $0 + $1.complexity } }
}

/// The value of an argument.
enum GraphQLArgument: Sendable {
  case value(JSONValue)
  case variable(String)
}

/// Why a document is none.
struct GraphQLSyntaxError: Error {
  let text: String
}

/// Reads a GraphQL document.
struct GraphQLParser {
  private let tokens: [Substring]
  private var position = 0

  static func parse(_ text: String) throws(GraphQLSyntaxError) -> GraphQLOperation {
    var parser = GraphQLParser(tokens: try tokenize(text))
    return try parser.operation()
  }

  private init(tokens: [Substring]) {
    self.tokens = tokens
  }

  private mutating func operation() throws(GraphQLSyntaxError) -> GraphQLOperation {
    guard let first = peek() else { throw .init(text: "Syntax Error: Unexpected <EOF>.") }
    var kind = "query"
    var name: String?
    if first != "{" {
      kind = String(try next())
      guard kind == "query" || kind == "mutation" else { throw unexpected(first) }
      if let word = peek(), word != "{", word != "(" { name = String(try next()) }
      if peek() == "(" { try skipVariableDefinitions() }
    }
    return GraphQLOperation(kind: kind, name: name, fields: try selection())
  }

  private mutating func selection() throws(GraphQLSyntaxError) -> [GraphQLField] {
    try expect("{")
    var fields: [GraphQLField] = []
    while peek() != "}" {
      fields.append(try field())
    }
    try expect("}")
    guard !fields.isEmpty else { throw unexpected("}") }
    return fields
  }

  private mutating func field() throws(GraphQLSyntaxError) -> GraphQLField {
    var name = try word()
    var alias = name
    if peek() == ":" {
      try expect(":")
      alias = name
      name = try word()
    }
    var arguments: [String: GraphQLArgument] = [:]
    if peek() == "(" {
      try expect("(")
      while peek() != ")" {
        let argument = try word()
        try expect(":")
        arguments[argument] = try value()
      }
      try expect(")")
    }
    return GraphQLField(
      alias: alias, name: name, arguments: arguments,
      fields: peek() == "{" ? try selection() : [])
  }

  private mutating func value() throws(GraphQLSyntaxError) -> GraphQLArgument {
    let token = try next()
    if token == "$" { return .variable(try word()) }
    if token.hasPrefix("\"") { return .value(.string(String(token.dropFirst().dropLast()))) }
    if token == "true" || token == "false" { return .value(.bool(token == "true")) }
    if token == "null" { return .value(.null) }
    guard Double(token) != nil else { throw unexpected(token) }
    return .value(.number(String(token)))
  }

  private mutating func skipVariableDefinitions() throws(GraphQLSyntaxError) {
    while try next() != ")" {}
  }

  private mutating func word() throws(GraphQLSyntaxError) -> String {
    let token = try next()
    guard let first = token.first, first.isLetter || first == "_" else { throw unexpected(token) }
    return String(token)
  }

  private mutating func expect(_ wanted: Substring) throws(GraphQLSyntaxError) {
    let token = try next()
    guard token == wanted else { throw unexpected(token) }
  }

  private func peek() -> Substring? { position < tokens.count ? tokens[position] : nil }

  private mutating func next() throws(GraphQLSyntaxError) -> Substring {
    guard let token = peek() else { throw .init(text: "Syntax Error: Unexpected <EOF>.") }
    position += 1
    return token
  }

  private func unexpected(_ token: Substring) -> GraphQLSyntaxError {
    .init(text: "Syntax Error: Unexpected \"\(token)\".")
  }

  /// Words, numbers, strings and single marks; commas, spaces and comments separate.
  private static func tokenize(_ text: String) throws(GraphQLSyntaxError) -> [Substring] {
    var tokens: [Substring] = []
    var rest = text[...]
    while let first = rest.first {
      if first.isWhitespace || first == "," {
        rest = rest.dropFirst()
      } else if first == "#" {
        rest = rest.drop { !$0.isNewline }
      } else if first == "\"" {
        guard let end = rest.dropFirst().firstIndex(of: "\"") else {
          throw .init(text: "Syntax Error: Unterminated string.")
        }
        tokens.append(rest[...end])
        rest = rest[rest.index(after: end)...]
      } else if isWordPart(first) {
        let word = rest.prefix(while: isWordPart)
        tokens.append(word)
        rest = rest[word.endIndex...]
      } else {
        tokens.append(rest.prefix(1))
        rest = rest.dropFirst()
      }
    }
    return tokens
  }

  private static func isWordPart(_ character: Character) -> Bool {
    character.isLetter || character.isNumber || character == "_" || character == "-"
      || character == "."
  }
}
