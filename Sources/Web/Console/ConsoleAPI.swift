import Base
import HTTPTypes

/// The JSON API as the console's pages call it, with the caller's own grant.
///
/// So no rule about what a caller may see or do is written twice.
struct ConsoleAPI: Sendable {
  let routes: APIRoutes
  let caller: APICaller
  let requestID: RequestID
  let notes: RequestNotes

  /// What `GET` answers.
  /// - Throws: what the API refuses with.
  func get(
    _ path: String, _ query: [(String, String)] = []
  ) async throws(Problem) -> JSONValue {
    try await call(.get, path, query, body: []) ?? .null
  }

  /// What another method answers; `nil` for no body.
  /// - Throws: what the API refuses with.
  @discardableResult
  func call(
    _ method: HTTPRequest.Method, _ path: String, _ query: [(String, String)] = [],
    body: [UInt8] = []
  ) async throws(Problem) -> JSONValue? {
    let (route, arguments) = try routes.find(method, path)
    guard body.count <= route.bodyLimit.bytes else {
      throw .badRequest("That is more than the API takes at once.")
    }
    // A key may end between two calls of one act.
    let caller = try caller.now()
    return try await routes.call(
      route, arguments: arguments, caller: caller, rawQuery: ConsoleLink.query(query), body: body,
      requestID: requestID, notes: notes
    ).body
  }
}
