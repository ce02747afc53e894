import Base
import BigCommerce
import HTTPTypes

/// The OpenAPI 3.1 document of the internal listener, made once from the operations.
package struct OpenAPIDocument: Sendable {
  let json: JSONValue

  /// Describes the operations of a version of the program.
  package init(_ operations: [Operation], version: String) {
    var schemas: [String: JSONValue] = [:]
    ProblemCode.schema.named(into: &schemas)
    for operation in operations { operation.schemas.forEach { $0.named(into: &schemas) } }
    let sorted = schemas.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, $0.value) }
    json = [
      "openapi": "3.1.0",
      "info": [
        "title": "Latchkey", "version": .string(version),
        "summary": "The internal listener of a self-hosted BigCommerce app backend.",
        "description": .string(Self.about),
        "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
      ],
      "servers": [["url": "/", "description": "The internal listener."]],
      "tags": .array(
        Chapter.allCases.map {
          ["name": .string($0.rawValue), "description": .string($0.about)]
        }),
      "paths": Self.paths(operations),
      "components": [
        "schemas": .object(sorted),
        "securitySchemes": Self.securitySchemes,
      ],
    ]
  }

  static let about = """
    Every call but those of `/livez` and `/readyz` carries a service key, in `Authorization: Bearer` or in \
    `X-Auth-Token`; what the key must be able to do is in `x-ability` of each operation. Lists are \
    `{"data": […], "next": cursor or null}`; single objects are bare. Times are UTC and end in `Z`. Unknown query \
    parameters and body fields are refused by name. Every refusal is `application/problem+json` with a `code` to \
    decide on and a `request_id` to find it in the log. `HEAD` is taken wherever `GET` is.
    """

  private static let securitySchemes: JSONValue = [
    "bearer": [
      "type": "http", "scheme": "bearer", "bearerFormat": "lk_…",
      "description": "A service key: `Authorization: Bearer lk_…`.",
    ],
    "token": [
      "type": "apiKey", "in": "header", "name": "X-Auth-Token",
      "description": "The same key where BigCommerce's SDKs put a store's token.",
    ],
  ]

  private static func paths(_ operations: [Operation]) -> JSONValue {
    var order: [String] = []
    var items: [String: [JSONValue.Member]] = [:]
    for operation in operations {
      if items[operation.path] == nil { order.append(operation.path) }
      items[operation.path, default: []].append(
        .init(operation.method.rawValue.lowercased(), operation.json))
    }
    return .object(order.map { .init($0, .object(items[$0] ?? [])) })
  }
}

extension Operation {
  /// The schemas that it uses.
  var schemas: [Schema] {
    let answered = answers.compactMap { answer -> Schema? in
      guard case .json(let schema)? = answer.content else { return nil }
      return schema
    }
    return parameters.map(\.schema) + answered + (body.map { [$0.schema] } ?? [])
  }

  fileprivate var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("operationId", .string(id)), .init("tags", [.string(chapter.rawValue)]),
      .init("summary", .string(summary)),
    ]
    if !detail.isEmpty { members.append(.init("description", .string(detail))) }
    members.append(.init("security", security))
    if let ability = access.ability {
      members.append(.init("x-ability", .string(ability.rawValue)))
    }
    if !parameters.isEmpty {
      members.append(.init("parameters", .array(parameters.map(\.json))))
    }
    if let body { members.append(.init("requestBody", body.json)) }
    members.append(.init("responses", .object(responses)))
    return .object(members)
  }

  private var security: JSONValue {
    let key: [JSONValue] = [["bearer": []], ["token": []]]
    return switch access {
    case .open: []
    // Where a setting opens it, none is needed.
    case .openable: .array(key + [.object([])])
    case .ability: .array(key)
    }
  }

  private var responses: [JSONValue.Member] {
    let isGateway = chapter == .gateway
    let good = answers.map { JSONValue.Member(String($0.status), $0.json) }
    let bad = refusalsByStatus.map { status, codes in
      JSONValue.Member(String(status), Self.refusal(codes, orBigCommerces: isGateway))
    }
    let other: JSONValue.Member? =
      isGateway
      ? .init(
        "default",
        [
          "description": "What BigCommerce answers, byte for byte.", "headers": Self.headers,
          "content": ["*/*": .object([])],
        ]) : nil
    return good + bad + (other.map { [$0] } ?? [])
  }

  static let headers: JSONValue = [
    "X-Request-Id": [
      "description": "The request's ID, as in the log.", "schema": ["type": "string"],
      "required": true,
    ],
    "Latchkey-Origin": [
      "description": "Who speaks.", "schema": ["enum": ["gateway", "upstream"]], "required": true,
    ],
  ]

  private static func refusal(_ codes: [ProblemCode], orBigCommerces: Bool) -> JSONValue {
    let words = codes.map { "`\($0.code)`: \($0.about)" }.joined(separator: " ")
    let problem: JSONValue = [
      "schema": [
        "allOf": [
          ProblemCode.schema.json,
          ["properties": ["code": ["enum": .array(codes.map { .string($0.code) })]]],
        ]
      ]
    ]
    var content: [JSONValue.Member] = [.init("application/problem+json", problem)]
    if orBigCommerces { content.append(.init("*/*", .object([]))) }
    return [
      "description": .string(words + (orBigCommerces ? " Or what BigCommerce answers." : "")),
      "headers": headers, "content": .object(content),
    ]
  }
}

extension CallBody {
  fileprivate var json: JSONValue {
    var media: [JSONValue.Member] = []
    switch form {
    case .json:
      media = [.init("schema", schema.json), .init("example", schema.example)]
    case .lines:
      let line = schema.example.text
      media = [
        // No schema: OpenAPI 3.1 has none for lines, and a line that is none is told beside the others.
        .init("example", .string(line + "\n"))
      ]
    }
    var members: [JSONValue.Member] = []
    if limit == nil {
      members.append(.init("description", "Whatever BigCommerce takes, of any media type."))
    }
    return .object(
      members + [
        .init("required", .bool(isRequired)),
        .init("content", [form.rawValue: .object(media)]),
      ])
  }
}

extension Answer {
  fileprivate var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("description", .string(about)), .init("headers", Operation.headers),
    ]
    switch content {
    case .json(let schema)?:
      members.append(
        .init(
          "content",
          ["application/json": ["schema": schema.json, "example": schema.example]]))
    case .other(let type, let example)?:
      members.append(
        .init(
          "content",
          [type: ["schema": ["type": "string"], "example": .string(example)]]))
    case .any?: members.append(.init("content", ["*/*": .object([])]))
    case nil: break
    }
    return .object(members)
  }
}
