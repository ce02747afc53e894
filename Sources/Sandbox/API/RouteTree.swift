import Base
import NIOHTTP1

/// What answers a call; runs while the store is held, so it neither waits nor calls out.
typealias APIHandler = @Sendable (inout StoreData, APICall) throws(APIFailure) -> APIAnswer

/// Paths below `/stores/{hash}` and who answers them; literal segments win over `{…}`.
struct RouteTree: Sendable {
  private final class Node: Sendable {
    let literals: [Substring: Node]
    let parameter: Node?
    let handlers: [String: APIHandler]

    init(_ draft: Draft) {
      literals = draft.literals.mapValues { Node($0) }
      parameter = draft.parameter.map { Node($0) }
      handlers = draft.handlers
    }
  }

  /// A node while routes are still added.
  private final class Draft {
    var literals: [Substring: Draft] = [:]
    var parameter: Draft?
    var handlers: [String: APIHandler] = [:]
  }

  /// A route as it is written down: `GET /v3/hooks/{id}`.
  struct Route: Sendable {
    let method: String
    let path: String
    let handler: APIHandler

    init(_ method: String, _ path: String, _ handler: @escaping APIHandler) {
      self.method = method
      self.path = path
      self.handler = handler
    }
  }

  private let root: Node

  init(_ routes: [Route]) {
    let root = Draft()
    for route in routes {
      var node = root
      for segment in route.path.split(separator: "/") {
        let next: Draft
        if segment.hasPrefix("{") {
          next = node.parameter ?? Draft()
          node.parameter = next
        } else {
          next = node.literals[segment] ?? Draft()
          node.literals[segment] = next
        }
        node = next
      }
      node.handlers[route.method] = route.handler
    }
    self.root = Node(root)
  }

  /// The handler and what its `{…}` segments stand for.
  func find(
    _ method: HTTPMethod, _ segments: [Substring]
  ) throws(APIFailure) -> (APIHandler, [Substring]) {
    var parameters: [Substring] = []
    guard let node = RouteTree.walk(root, segments[...], &parameters), !node.handlers.isEmpty else {
      throw .noRoute
    }
    let name = method == .HEAD ? "GET" : method.rawValue
    guard let handler = node.handlers[name] else { throw .methodNotAllowed }
    return (handler, parameters)
  }

  private static func walk(
    _ node: Node, _ segments: ArraySlice<Substring>, _ parameters: inout [Substring]
  ) -> Node? {
    guard let segment = segments.first else { return node }
    if let next = node.literals[segment] {
      let before = parameters
      if let found = walk(next, segments.dropFirst(), &parameters), !found.handlers.isEmpty {
        return found
      }
      parameters = before
    }
    guard let next = node.parameter else { return nil }
    parameters.append(segment)
    return walk(next, segments.dropFirst(), &parameters)
  }
}
