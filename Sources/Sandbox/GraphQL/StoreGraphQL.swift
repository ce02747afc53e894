import Base
import NIOCore
import NIOHTTP1

/// `POST /graphql` of one store: a small part of the Admin API.
///
/// `store { id name hash products(first:, after:) { edges { cursor node { … } } pageInfo { … } }
/// }`.
struct StoreGraphQL {
  let store: Store
  let request: SandboxRequest

  func respond() throws(APIFailure) -> SandboxResponse {
    guard request.method == .POST else { throw .methodNotAllowed }
    guard request.mediaType == "application/json" else {
      throw .unsupportedMediaType(request.mediaType ?? "")
    }
    let body: JSONValue
    do throws(JSONError) {
      body = try JSONScanner.parse(request.body.readableBytesView)
    } catch {
      throw .malformedJSON
    }
    guard let text = body["query"]?.string else {
      throw APIFailure(status: .badRequest, title: "query is missing")
    }
    // Seen in the field: `"variables": null` is refused, leaving it out is not.
    guard body["variables"] != .some(.null) else {
      throw APIFailure(status: .badRequest, title: "variables must be an object")
    }
    return answer(text, variables: body["variables"] ?? [:])
  }

  private func answer(_ text: String, variables: JSONValue) -> SandboxResponse {
    let operation: GraphQLOperation
    do throws(GraphQLSyntaxError) {
      operation = try GraphQLParser.parse(text)
    } catch {
      return .json(["errors": [["message": .string(error.text)]]])
    }
    var resolver = GraphQLResolver(variables: variables)
    let data: JSONValue
    if operation.kind == "query" {
      data = store.withData { data in resolver.root(operation.fields, data) }
    } else {
      resolver.complain("The sandbox carries out no mutations")
      data = .null
    }
    var document: JSONValue = ["data": data]
    if !resolver.errors.isEmpty { document = document.setting("errors", .array(resolver.errors)) }
    var response = SandboxResponse.json(document)
    response.headers.add(
      name: "x-bc-graphql-complexity", value: String(operation.complexity))
    response.headers.add(name: "x-bc-graphql-operation-type", value: operation.kind)
    if let name = operation.name {
      response.headers.add(name: "x-bc-graphql-operation-name", value: name)
    }
    return response
  }
}

/// Fills in the fields of a query.
struct GraphQLResolver {
  let variables: JSONValue
  private(set) var errors: [JSONValue] = []

  init(variables: JSONValue) {
    self.variables = variables
  }

  mutating func complain(_ text: String) {
    errors.append(["message": .string(text)])
  }

  mutating func root(_ fields: [GraphQLField], _ data: StoreData) -> JSONValue {
    object(fields, type: "Query") { resolver, field in
      field.name == "store" ? resolver.store(field.fields, data) : nil
    }
  }

  private mutating func store(_ fields: [GraphQLField], _ data: StoreData) -> JSONValue {
    object(fields, type: "Store") { resolver, field in
      switch field.name {
      case "id": .string("bc/store/store/\(1_000_000 + data.profile.number)")
      case "name": .string(data.profile.name)
      case "hash": .string(data.profile.hash)
      case "products": resolver.products(field, data.products.rows)
      default: nil
      }
    }
  }

  /// A connection: edges with cursors, and where the page lies.
  private mutating func products(_ field: GraphQLField, _ rows: [JSONValue]) -> JSONValue {
    let first = argument("first", of: field)?.integer ?? 10
    guard (1...50).contains(first) else {
      complain("first must be 1 to 50")
      return .null
    }
    let after =
      argument("after", of: field)?.string
      .flatMap { Base64.decode($0) }.flatMap { Int64(String(decoding: $0, as: UTF8.self)) } ?? 0
    let start = rows.firstIndex { ($0["id"]?.integer ?? 0) > after } ?? rows.count
    let page = rows[start...].prefix(Int(first))
    return object(field.fields, type: "ProductConnection") { resolver, part in
      switch part.name {
      case "edges":
        .array(page.map { resolver.edge(part.fields, $0) })
      case "pageInfo":
        resolver.pageInfo(part.fields, page, hasNext: page.endIndex < rows.count, start > 0)
      default: nil
      }
    }
  }

  private mutating func edge(_ fields: [GraphQLField], _ product: JSONValue) -> JSONValue {
    object(fields, type: "ProductEdge") { resolver, field in
      switch field.name {
      case "cursor": .string(GraphQLResolver.cursor(product))
      case "node":
        resolver.object(field.fields, type: "Product") { _, leaf in
          switch leaf.name {
          case "id": .string("bc/store/product/\(product["id"]?.text ?? "")")
          case "entityId": product["id"]
          case "name", "sku", "price", "description": product[leaf.name]
          default: nil
          }
        }
      default: nil
      }
    }
  }

  private mutating func pageInfo(
    _ fields: [GraphQLField], _ page: ArraySlice<JSONValue>, hasNext: Bool, _ hasPrevious: Bool
  ) -> JSONValue {
    object(fields, type: "PageInfo") { _, field in
      switch field.name {
      case "hasNextPage": .bool(hasNext)
      case "hasPreviousPage": .bool(hasPrevious)
      case "startCursor": page.first.map { .string(GraphQLResolver.cursor($0)) } ?? .null
      case "endCursor": page.last.map { .string(GraphQLResolver.cursor($0)) } ?? .null
      default: nil
      }
    }
  }

  private static func cursor(_ product: JSONValue) -> String {
    Base64.encode(Array((product["id"]?.text ?? "0").utf8))
  }

  private func argument(_ name: String, of field: GraphQLField) -> JSONValue? {
    switch field.arguments[name] {
    case .value(let value): value
    case .variable(let variable): variables[variable]
    case nil: nil
    }
  }

  /// An object of the selected fields; what the type does not have is an error.
  private mutating func object(
    _ fields: [GraphQLField], type: String,
    _ resolve: (inout GraphQLResolver, GraphQLField) -> JSONValue?
  ) -> JSONValue {
    var members: [JSONValue.Member] = []
    for field in fields {
      guard let value = resolve(&self, field) else {
        complain("Cannot query field \"\(field.name)\" on type \"\(type)\".")
        continue
      }
      members.append(.init(field.alias, value))
    }
    return .object(members)
  }
}
