import Base
import Curl
import Gateway
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// What Hummingbird hands to a responder beside the request; ours need nothing of it.
struct ListenerContext: RequestContext {
  var coreContext: CoreRequestContextStorage

  init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
  }
}

/// Answers the requests of one listener.
protocol Routes: Sendable {
  func respond(to request: WebRequest) async -> Response
}

/// What happens to every request of a listener, whatever its route: an ID, the common fields, a
/// line in the log.
struct ListenerFrame<Listener: Routes>: HTTPResponder {
  typealias Context = ListenerContext

  let name: String
  let routes: Listener
  let proxies: TrustedProxies
  let requestIDs: RequestIDSource
  let security: SecurityFields
  let log: AccessLog

  func respond(to request: Request, context: Context) async throws -> Response {
    guard let connection = Connection.current else {
      preconditionFailure("a request outside GuardedChannel")
    }
    let began = ContinuousClock.now
    let inbound = webRequest(request, connection)
    var response = await routes.respond(to: inbound)
    response.headers[.requestID] = inbound.requestID.text
    security.apply(to: &response.headers)
    if inbound.method == .head {
      // The length stays that of the body which GET would have had.
      let length = response.headers.firstValue(of: .contentLength)
      response.body = ResponseBody()
      response.headers[.contentLength] = length
    }
    log.write(
      AccessRecord(
        listener: name, requestID: inbound.requestID, method: inbound.method.rawValue,
        path: inbound.target.path, status: response.status.code, duration: .now - began,
        clientAddress: inbound.clientAddress))
    return response
  }

  private func webRequest(_ request: Request, _ connection: Connection) -> WebRequest {
    let headers = request.head.headerFields
    let length: Int? =
      headers.contains(.transferEncoding)
      ? nil : headers.firstValue(of: .contentLength).flatMap { Int($0) } ?? 0
    return WebRequest(
      method: request.method, target: RawTarget(request.head.path ?? "/"), headers: headers,
      contentLength: length, body: RequestBodyStream(body: request.body, connection: connection),
      requestID: headers.firstValue(of: .requestID).flatMap { RequestID($0) } ?? requestIDs.next(),
      clientAddress: proxies.clientAddress(peer: connection.peer, headers: headers),
      loop: connection.loop)
  }
}

/// Runs `body` to its end even when the client goes away: what it does must not stop half-way.
func toTheEnd<Result: Sendable>(_ body: @escaping @Sendable () async -> Result) async -> Result {
  // Not structured: a child task would be cancelled with its parent.
  await Task { await body() }.value
}
