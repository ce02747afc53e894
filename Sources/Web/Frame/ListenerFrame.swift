import Base
import Fields
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

/// Answers requests through the web framework: routes, within the listener's frame.
struct ListenerFrame<Listener: Routes>: HTTPResponder {
  typealias Context = ListenerContext

  let routes: Listener
  let frame: RequestFrame

  func respond(to request: Request, context: Context) async throws -> Response {
    guard let connection = Connection.current else {
      preconditionFailure("a request outside GuardedChannel")
    }
    let began = ContinuousClock.now
    let inbound = webRequest(request, connection)
    var response = await routes.respond(to: inbound)
    frame.complete(&response.headers, inbound.requestID)
    if inbound.method == .head {
      // The length stays that of the body which GET would have had.
      let length = response.headers.firstValue(of: .contentLength)
      response.body = ResponseBody()
      response.headers[.contentLength] = length
    }
    frame.record(
      inbound.requestID, inbound.notes.trace, inbound.notes.subject, inbound.method,
      inbound.target, response.status.code, began: began, inbound.clientAddress)
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
      requestID: frame.requestID(headers.firstValue(of: .requestID)),
      notes: RequestNotes(trace: frame.trace(headers.onlyValue(of: .traceparent))),
      clientAddress: frame.clientAddress(
        connection, forwardedFor: headers[values: .forwardedFor]),
      authority: request.head.authority,
      isSecure: frame.isSecure(connection, forwardedProto: headers[values: .forwardedProto]),
      loop: connection.loop)
  }
}
