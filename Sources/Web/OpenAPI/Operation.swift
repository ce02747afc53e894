import Base
package import BigCommerce
package import HTTPTypes

/// One operation of the internal listener: everything that a caller must know of it.
///
/// Its route is made of it, so that what is described is what is taken: a query parameter or a
/// field of the body that does not stand here is refused by name.
package struct Operation: Sendable {
  /// Who may call it.
  package enum Access: Sendable {
    /// Everybody.
    case open
    /// Every key, and everybody when a setting says so; with the ability that the key needs, if
    /// any.
    case openable(Ability?)
    /// Keys with an ability.
    case ability(Ability)

    /// What the key must be able to do.
    var ability: Ability? {
      switch self {
      case .open: nil
      case .openable(let ability): ability
      case .ability(let ability): ability
      }
    }

    /// - Throws: 403 when the grant lacks the ability.
    func check(_ grant: Grant) throws(Problem) {
      if let ability, !grant.allows(ability) { throw .abilityMissing(ability) }
    }
  }

  package let method: HTTPRequest.Method
  /// The path with `{…}` for its parameters.
  package let path: String
  /// A name for programs, which is also the anchor on the page for people.
  package let id: String
  let chapter: Chapter
  /// What it does, in a few words.
  let summary: String
  /// What else there is to know, in sentences.
  let detail: String
  package let access: Access
  let parameters: [Parameter]
  let body: CallBody?
  /// What it answers when all is well.
  let answers: [Answer]
  /// Its own refusals, beside those of all operations of its kind.
  let problems: [ProblemCode]

  package init(
    _ method: HTTPRequest.Method, _ path: String, _ id: String, _ chapter: Chapter,
    _ summary: String, _ detail: String = "", access: Access, parameters: [Parameter] = [],
    body: CallBody? = nil, answers: [Answer], problems: [ProblemCode] = []
  ) {
    self.method = method
    self.path = path
    self.id = id
    self.chapter = chapter
    self.summary = summary
    self.detail = detail
    self.access = access
    self.parameters = parameters
    self.body = body
    self.answers = answers
    self.problems = problems
  }

  /// The methods that a path with these operations takes: `HEAD` wherever `GET` is.
  static func methods(of operations: [Operation]) -> [String] {
    let names = operations.map(\.method.rawValue)
    return Set(names + (names.contains("GET") ? ["HEAD"] : [])).sorted()
  }

  /// The methods that a raw path takes; of one that nothing is at, all that are taken anywhere.
  static func methods(at path: String, of operations: [Operation]) -> [String] {
    let segments = path.split(separator: "/")
    let all = operations.filter { $0.isAt(segments) }
    // What is written out goes before what stands for anything.
    let fewest = all.map(\.openings).min()
    return methods(of: all.isEmpty ? operations : all.filter { $0.openings == fewest })
  }

  /// How much of its path stands for anything.
  private var openings: Int { path.utf8.count { $0 == UInt8(ascii: "{") } }

  /// Whether a path is this one; a `{path}` at the end stands for whatever follows.
  private func isAt(_ segments: [Substring]) -> Bool {
    let template = path.split(separator: "/")
    let isOpen = template.last == "{path}"
    guard isOpen ? segments.count >= template.count : segments.count == template.count else {
      return false
    }
    return zip(template, segments).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
  }

  /// The query parameters that are taken; any other is refused by name.
  package var queryNames: Set<String> {
    Set(parameters.filter { $0.place == .query }.map(\.name))
  }
}

/// What belongs together in the document.
package enum Chapter: String, CaseIterable, Sendable {
  case gateway = "Gateway"
  case stores = "Stores"
  case keys = "Service keys"
  case tickets = "Tickets"
  case events = "Events"
  case deliveries = "Deliveries"
  case subscriptions = "Subscriptions"
  case webhooks = "Webhooks"
  case fleet = "Usage and audit"
  case service = "The service itself"

  var about: String {
    switch self {
    case .gateway:
      "BigCommerce's own addresses with another host: a service key takes the place of the token."
    case .stores: "The fleet: where each app is installed, and in what state."
    case .keys: "What callers authenticate with. A key never grants more than its maker holds."
    case .tickets: "What a merchant's browser brings to your own front end."
    case .events: "The ordered feed of what happened in stores and to installations."
    case .deliveries: "The log of what BigCommerce delivered."
    case .subscriptions: "Events pushed to your services, signed as Standard Webhooks."
    case .webhooks: "BigCommerce's webhooks: wanted, actual, put right, and what they did not tell."
    case .fleet: "What calls came to, who lacks scopes, and who did what."
    case .service: "Health, metrics and this document."
    }
  }
}

/// The body of a call.
package struct CallBody: Sendable {
  enum Form: String, Sendable {
    case json = "application/json"
    /// One JSON object a line.
    case lines = "application/x-ndjson"
  }

  let form: Form
  let schema: Schema
  /// How large it may be; `nil`: a setting of the gateway.
  let limit: ByteCount?
  let isRequired: Bool

  /// A JSON object.
  static func object(_ schema: Schema, upTo limit: ByteCount) -> CallBody {
    CallBody(form: .json, schema: schema, limit: limit, isRequired: true)
  }

  /// A JSON object that may be left out, which is the same as an empty one.
  static func optional(_ schema: Schema, upTo limit: ByteCount) -> CallBody {
    CallBody(form: .json, schema: schema, limit: limit, isRequired: false)
  }

  static func lines(of schema: Schema, upTo limit: ByteCount) -> CallBody {
    CallBody(form: .lines, schema: schema, limit: limit, isRequired: true)
  }

  /// Whatever BigCommerce takes, such as `example`.
  static func any(_ example: JSONValue) -> CallBody {
    CallBody(
      form: .json, schema: .anything.with(example: example), limit: nil, isRequired: false)
  }

  /// The fields that are taken; any other is refused by name.
  package var fieldNames: Set<String> { Set(schema.fields.map(\.name)) }
}

/// An answer of an operation when all is well.
package struct Answer: Sendable {
  enum Content: Sendable {
    case json(Schema)
    /// Something else, of a media type, with an example.
    case other(String, example: String)
    /// What BigCommerce answers.
    case any
  }

  let status: Int
  let about: String
  let content: Content?

  static func ok(_ schema: Schema, _ about: String, status: Int = 200) -> Answer {
    Answer(status: status, about: about, content: .json(schema))
  }

  static func created(_ schema: Schema, _ about: String) -> Answer {
    ok(schema, about, status: 201)
  }

  /// A page of a list.
  static func page(of item: Schema, _ about: String) -> Answer {
    ok(.page(of: item), about)
  }

  static let done = Answer(
    status: 204, about: "Done; there is nothing to tell.", content: nil)
}

extension Schema {
  /// A page of a list, with more beside it.
  static func page(of item: Schema, and more: [Field] = []) -> Schema {
    .object(
      nil, nil,
      [
        Field("data", .list(of: item), "The page."),
        Field(
          "next", .cursor.orNull, "The cursor behind the page; null at the end.", example: .null),
      ] + more)
  }
}
