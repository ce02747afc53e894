package import Base
import BigCommerce
import Fields
import Gateway
package import HTTPTypes
import Hummingbird
import NIOCore

/// Who a request's service key names; a problem when it names nobody.
package typealias Authenticate = @Sendable (HTTPFields) -> Result<APICaller, Problem>

/// Why this replica cannot serve, or `nil`.
package typealias Readiness = @Sendable () -> String?

/// Answers the internal listener: the gateway by the raw prefix `/stores/`, then probes, metrics,
/// the description and the JSON API.
struct InternalResponder: Routes {
  let gateway: any GatewayResponding
  let api: APIRoutes
  /// `nil`: there is no such route.
  let events: EventStream?
  let authenticate: Authenticate
  let readiness: Readiness
  let pages: ServicePages
  /// `nil`: there is no console.
  let console: Console?
  let draining: Draining

  func respond(to request: WebRequest) async -> Response {
    // By the raw prefix, before anything splits or decodes the path.
    if request.target.text.utf8.starts(with: "/stores/".utf8) { return await relay(request) }
    if let console, Console.holds(request.target) { return await console.respond(to: request) }
    do throws(Problem) {
      switch String(request.target.path) {
      case Operation.showLiveness.path: return try probe(request) { () throws(Problem) in "ok\n" }
      case Operation.showReadiness.path: return try probe(request, ready)
      case Operation.showMetrics.path:
        // They count all stores together.
        guard try admit(request, to: .showMetrics)?.stores ?? .all == .all else {
          throw .grantMissing("Metrics are of all stores together; this key is for some stores.")
        }
        return pages.showMetrics()
      case Operation.showDocument.path:
        _ = try admit(request, to: .showDocument)
        return pages.showDocument()
      case Operation.showPage.path:
        _ = try admit(request, to: .showPage)
        return pages.showPage()
      case Operation.streamEvents.path: return try await stream(request)
      default: return try await callAPI(request)
      }
    } catch {
      return Response(error, request.requestID)
    }
  }

  /// Key, ability, method and query are as the operation has them; a setting may open it.
  ///
  /// - Returns: what the caller's key grants; `nil` when nobody needs a key.
  private func admit(_ request: WebRequest, to operation: Operation) throws(Problem) -> Grant? {
    let grant = pages.areOpen ? nil : try caller(of: request).grant
    if let grant { try operation.access.check(grant) }
    guard request.method == .get || request.method == .head else {
      throw .methodNotAllowed(["GET", "HEAD"])
    }
    _ = try APIQuery(String(request.target.query ?? ""), known: operation.queryNames)
    return grant
  }

  private func probe(
    _ request: WebRequest, _ text: () throws(Problem) -> String
  ) throws(Problem) -> Response {
    guard request.method == .get || request.method == .head else {
      throw .methodNotAllowed(["GET", "HEAD"])
    }
    return Response(200, "text/plain", Array(try text().utf8))
  }

  private func ready() throws(Problem) -> String {
    if draining.isDraining { throw .draining }
    if let reason = readiness() {
      throw Problem(
        status: 503, code: "not_ready", title: "Not ready", detail: reason, retryAfter: 2)
    }
    return "ready\n"
  }

  // MARK: Gateway

  /// The connection's task is cancelled when the caller goes away, and with it the call.
  private func relay(_ request: WebRequest) async -> Response {
    let answer = await gateway.respond(
      to: GatewayRequest(
        method: request.method, target: request.target.text, headers: FieldSection(request.headers),
        contentLength: request.contentLength,
        body: request.contentLength == 0 ? nil : request.body, requestID: request.requestID,
        trace: request.notes.trace, loop: request.loop, clientAddress: request.clientAddress))
    request.notes.note(answer.subject)
    var headers = answer.headers.httpFields
    switch answer.body {
    case .bytes(let bytes):
      if request.method != .head { headers[.contentLength] = String(bytes.readableBytes) }
      var response = Response(
        status: .init(code: answer.status), headers: headers, body: .init(byteBuffer: bytes))
      // An answer to HEAD says the length that GET's body would have, or does not say it.
      response.headers[.contentLength] = headers.firstValue(of: .contentLength)
      return response
    case .stream(let length, let parts):
      if let length { headers[.contentLength] = String(length) }
      let body = ResponseBody(contentLength: length) { writer in
        // A body that breaks off or is too short throws, or is seen by PartGuard; both end in a
        // reset.
        for try await part in parts { try await writer.write(part) }
        try await writer.finish(nil)
      }
      return Response(status: .init(code: answer.status), headers: headers, body: body)
    }
  }

  // MARK: JSON API

  private func stream(_ request: WebRequest) async throws(Problem) -> Response {
    guard let events else { throw .noRoute }
    guard request.method == .get else { throw .methodNotAllowed(["GET"]) }
    let caller = try caller(of: request)
    try Operation.streamEvents.access.check(caller.grant)
    return try await events.response(to: request, caller)
  }

  private func callAPI(_ request: WebRequest) async throws(Problem) -> Response {
    let caller = try caller(of: request)
    let method = request.method == .head ? .get : request.method
    let (route, arguments) = try api.find(method, String(request.target.path))
    // The ability comes before the body: who may not do it need not send it.
    try route.operation.access.check(caller.grant)
    let body = try await read(request, upTo: route.bodyLimit)
    let call: @Sendable () async -> Result<APIAnswer, Problem> = {
      do throws(Problem) {
        return .success(
          try await api.call(
            route, arguments: arguments, caller: caller,
            rawQuery: String(request.target.query ?? ""), body: body, requestID: request.requestID,
            notes: request.notes))
      } catch {
        return .failure(error)
      }
    }
    // What changes something is finished even when nobody waits for the answer any more.
    let result = method == .get ? await call() : await toTheEnd(call)
    let answer = try result.get()
    guard let document = answer.body else { return Response(status: .init(code: answer.status)) }
    return Response(answer.status, "application/json", document.encoded())
  }

  private func caller(of request: WebRequest) throws(Problem) -> APICaller {
    let caller = try authenticate(request.headers).get()
    request.notes.note(RequestSubject(app: caller.grant.app, caller: caller.keyID))
    return caller
  }

  private func read(_ request: WebRequest, upTo limit: ByteCount) async throws(Problem) -> [UInt8] {
    guard limit.bytes > 0 else { return [] }
    do throws(RequestBodyError) {
      let bytes = try await request.body.collect(upTo: limit)
      return Array(bytes.readableBytesView)
    } catch {
      switch error {
      case .tooLarge: throw .bodyTooLarge(limit)
      case .cut: throw .badRequest("The body did not arrive whole.")
      }
    }
  }
}

extension Problem {
  static let draining = Problem(
    status: 503, code: "draining", title: "Draining",
    detail: "This replica is about to stop. Try again; another one answers.", retryAfter: 1)

  fileprivate static func bodyTooLarge(_ limit: ByteCount) -> Problem {
    Problem(
      status: 413, code: "body_too_large", title: "Body too large",
      detail: "The body has more than \(limit.bytes) bytes.")
  }
}
