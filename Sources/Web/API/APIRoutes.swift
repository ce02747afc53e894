package import Base
import BigCommerce
package import HTTPTypes

/// The JSON API: finds the route, checks ability and parameters, and calls the handler.
package struct APIRoutes: Sendable {
  package let routes: [APIRoute]

  package init(_ routes: [APIRoute]) {
    self.routes = routes
  }

  /// All operations of the internal listener: the gateway's, those of the routes, of the stream if
  /// there is one, and of the service itself.
  package func operations(with stream: EventStream?) -> [Operation] {
    Operation.ofGateway + routes.map(\.operation) + (stream == nil ? [] : [.streamEvents])
      + Operation.ofService
  }

  /// The route of a call, and its arguments.
  ///
  /// The path is raw, for example `/v1/stores/abc`; nothing in it is decoded, because no route
  /// needs it.
  ///
  /// Throws 404 for an unknown path, and 405 for a known one with another method.
  package func find(
    _ method: HTTPRequest.Method, _ path: String
  ) throws(Problem) -> (route: APIRoute, arguments: [String]) {
    let segments = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard segments.count > 2, segments[0].isEmpty, segments[1] == "v1" else { throw .noRoute }
    let below = Array(segments.dropFirst(2))
    let matches = routes.matches(of: below)
    if let match = matches.first(where: { $0.route.method == method }) { return match }
    guard matches.isEmpty else {
      throw .methodNotAllowed(Operation.methods(of: matches.map(\.route.operation)))
    }
    throw .noRoute
  }

  /// Calls a route that ``find(_:_:)`` found.
  ///
  /// The query is as it arrived, without `?`; the body is whole and within the route's limit.
  /// Throws 403 when the caller's grant lacks the ability, 400 for a query that is not well formed,
  /// and what the handler throws.
  package func call(
    _ route: APIRoute, arguments: [String], caller: APICaller, rawQuery: String, body: [UInt8],
    requestID: RequestID, notes: RequestNotes? = nil
  ) async throws(Problem) -> APIAnswer {
    try route.operation.access.check(caller.grant)
    let query = try APIQuery(rawQuery, known: route.operation.queryNames)
    return try await route.handler(
      APIRequest(
        caller: caller, arguments: arguments, query: query, body: body, requestID: requestID,
        notes: notes, form: route.operation.body))
  }
}
