import Base
import BigCommerce
import Crypto
import HTTPTypes
import Mustache

/// The operations as one page for people, made once; it needs no script and no other file.
struct DescriptionPage: Sendable {
  let bytes: [UInt8]
  /// `Content-Security-Policy`: nothing but the page's own stylesheet.
  let policy: String

  /// Throws when the template is wrong, which a test would have found.
  init(_ operations: [Operation], version: String) throws {
    PageEscaping.register()
    // The stylesheet is our own and must not be escaped, so it is part of the template and not a
    // value.
    let template = try MustacheTemplate(
      string: DescriptionTemplate.html.replacing(
        "%STYLE%", with: DescriptionStyle.css, maxReplacements: 1))
    let chapters = Chapter.allCases.compactMap { chapter in
      ChapterView(chapter, operations.filter { $0.chapter == chapter })
    }
    bytes = Array(
      template.render(
        DescriptionView(
          version: version, about: Run.all(OpenAPIDocument.about), chapters: chapters,
          objects: ObjectView.all(of: operations), codes: CodeView.all)
      ).utf8)
    let hash =
      "sha256-" + Base64.encode(Array(SHA256.hash(data: Array(DescriptionStyle.css.utf8))))
    policy = """
      default-src 'none'; style-src '\(hash)'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
      """
  }
}

/// What the template reads.
private struct DescriptionView {
  let version: String
  let about: [Run]
  let chapters: [ChapterView]
  let objects: [ObjectView]
  let codes: [CodeView]
}

/// A piece of a sentence; what stands between backticks is code.
private struct Run {
  let text: String
  let isCode: Bool

  static func all(_ sentence: String) -> [Run] {
    sentence.split(separator: "`", omittingEmptySubsequences: false).enumerated()
      .map { Run(text: String($1), isCode: $0 % 2 == 1) }
  }
}

private struct ChapterView {
  let title: String
  let anchor: String
  let about: [Run]
  let operations: [OperationView]

  init?(_ chapter: Chapter, _ operations: [Operation]) {
    guard !operations.isEmpty else { return nil }
    title = chapter.rawValue
    anchor = "\(chapter)"
    about = Run.all(chapter.about)
    self.operations = operations.map { OperationView($0) }
  }
}

private struct OperationView {
  let id: String
  let method: String
  let tone: String
  let path: String
  let summary: String
  let detail: [Run]
  let ability: String?
  let isOpen: Bool
  let isOpenable: Bool
  let parameters: [RowView]
  let hasParameters: Bool
  let fields: [RowView]
  let hasFields: Bool
  let bodyForm: String
  let curl: String
  let answers: [AnswerView]
  let refusals: [RefusalView]

  init(_ operation: Operation) {
    id = operation.id
    method = operation.method.rawValue
    tone = operation.method.rawValue.lowercased()
    path = operation.path
    summary = operation.summary
    detail = Run.all(operation.detail)
    ability = operation.access.ability?.rawValue
    (isOpen, isOpenable) =
      switch operation.access {
      case .open: (true, false)
      case .openable: (false, true)
      case .ability: (false, false)
      }
    parameters = operation.parameters.map {
      RowView(
        $0.name, $0.schema.words, $0.about, isRequired: $0.isRequired, place: $0.place.rawValue)
    }
    hasParameters = !parameters.isEmpty
    fields = operation.body.map { RowView.rows(of: $0.schema) } ?? []
    hasFields = !fields.isEmpty
    bodyForm = operation.body?.form == .lines ? "one JSON object a line" : "a JSON object"
    curl = operation.curl
    answers = operation.answers.map { AnswerView($0) }
    refusals = operation.refusalsByStatus.map { status, codes in
      RefusalView(status: status, codes: codes.map { CodeLink(code: $0.code) })
    }
  }
}

/// A parameter or a field.
private struct RowView {
  let name: String
  let kind: String
  let about: [Run]
  let isRequired: Bool
  let place: String?

  init(
    _ name: String, _ kind: String, _ about: String, isRequired: Bool, place: String? = nil
  ) {
    self.name = name
    self.kind = kind
    self.about = Run.all(about)
    self.isRequired = isRequired
    self.place = place
  }

  /// The fields of an object, those of unnamed objects within it included.
  static func rows(of schema: Schema, behind prefix: String = "") -> [RowView] {
    schema.fields.flatMap { field -> [RowView] in
      let name = prefix + field.name
      let row = RowView(name, field.schema.words, field.about, isRequired: field.isRequired)
      guard field.schema.namedParts.isEmpty else { return [row] }
      let item = field.schema.fields.isEmpty ? field.schema.parts.first : field.schema
      let suffix = field.schema.fields.isEmpty ? "[]." : "."
      return [row] + (item.map { rows(of: $0, behind: name + suffix) } ?? [])
    }
  }
}

private struct AnswerView {
  let status: Int
  let about: [Run]
  let example: String?
  let objects: [ObjectLink]
  let hasObjects: Bool

  init(_ answer: Answer) {
    status = answer.status
    about = Run.all(answer.about)
    switch answer.content {
    case .json(let schema)?:
      example = schema.example.members?.isEmpty == true ? nil : schema.example.prettyText
      objects = schema.namedParts.map { ObjectLink(name: $0) }
    case .other(_, let text)?:
      example = text
      objects = []
    case .any?, nil:
      example = nil
      objects = []
    }
    hasObjects = !objects.isEmpty
  }
}

private struct ObjectLink {
  let name: String
}

private struct RefusalView {
  let status: Int
  let codes: [CodeLink]
}

private struct CodeLink {
  let code: String
}

/// A named object with its fields.
private struct ObjectView {
  let name: String
  let about: [Run]
  let fields: [RowView]

  static func all(of operations: [Operation]) -> [ObjectView] {
    var found: [String: Schema] = ["Problem": ProblemCode.schema]
    for schema in operations.flatMap(\.schemas) { schema.collectNamed(into: &found) }
    return found.values.sorted { $0.words < $1.words }.map { schema in
      let about = schema.keywords.first { $0.name == "description" }?.value.string ?? ""
      return ObjectView(
        name: schema.words, about: Run.all(about), fields: RowView.rows(of: schema))
    }
  }
}

/// A code with all that it means.
private struct CodeView {
  let code: String
  let meanings: [Meaning]

  struct Meaning {
    let status: Int
    let about: [Run]
  }

  static let all = Dictionary(grouping: ProblemCode.all, by: \.code).sorted { $0.key < $1.key }
    .map { code, meanings in
      CodeView(
        code: code,
        meanings: meanings.map { Meaning(status: $0.status, about: Run.all($0.about)) })
    }
}

extension Operation {
  /// A call of it for a shell in which `LATCHKEY_URL` and `LATCHKEY_KEY` are set.
  var curl: String {
    var path = path
    var query: [String] = []
    for parameter in parameters {
      guard let shown = parameter.shown else { continue }
      switch parameter.place {
      case .path: path = path.replacing("{\(parameter.name)}", with: shown)
      case .query: query.append("\(parameter.name)=\(shown)")
      case .header: break
      }
    }
    let address = path + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
    var lines = ["curl \(flags)\"$LATCHKEY_URL\(address)\""]
    if case .open = access {
    } else {
      lines.append("  -H \"Authorization: Bearer $LATCHKEY_KEY\"")
    }
    if let body {
      let kind = body.form == .lines ? body.form.rawValue : "application/json"
      let option = body.form == .lines ? "--data-binary" : "-d"
      lines.append("  -H 'Content-Type: \(kind)'")
      let example = body.schema.example
      let text = body.form == .lines ? example.text : example.prettyText
      lines.append("  \(option) '\(text)'")
    }
    return lines.joined(separator: " \\\n")
  }

  private var flags: String {
    switch method {
    case .get: id == Operation.streamEvents.id ? "-N " : ""
    case .head: "--head "
    case .post: body == nil ? "-X POST " : ""
    default: "-X \(method.rawValue) "
    }
  }
}

extension Schema {
  /// Names of the objects that it is made of, without those that these are made of.
  fileprivate var namedParts: [String] {
    if let name { return [name] }
    var found: [String] = []
    for name in parts.flatMap(\.namedParts) where !found.contains(name) { found.append(name) }
    return found
  }

  fileprivate func collectNamed(into found: inout [String: Schema]) {
    if let name { found[name] = self }
    for part in parts { part.collectNamed(into: &found) }
  }
}
