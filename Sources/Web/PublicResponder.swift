import Base
import HTTPTypes
import Hummingbird
import Install
import Logging

/// Answers the public listener: callbacks, install links, health.
///
/// Nothing internal is known here.
struct PublicResponder: HTTPResponder {
  typealias Context = ListenerContext

  let routes: PublicRoutes
  let callbacks: any CallbackHandling
  let pages: MerchantPages
  let state: ListenerState
  /// Whether this replica can serve.
  let isReady: @Sendable () -> Bool
  let logger: Logger

  func respond(to request: Request, context: Context) async throws -> Response {
    let requestID = request.requestID(state.requestIDs)
    let (path, query) = request.rawParts
    var policy = ContentPolicy.nothing
    var response = await answer(request, path, query, requestID, context, &policy)
    response.seal(requestID, policy: policy)
    if request.method == .head {
      response.body = ResponseBody(contentLength: response.body.contentLength) { _ in }
    }
    logger.info(
      "request",
      metadata: [
        "listener": "public", "method": "\(request.method)", "path": "\(path)",
        "status": "\(response.status.code)", "request_id": "\(requestID)",
      ])
    return response
  }

  private func answer(
    _ request: Request, _ path: String, _ query: String, _ requestID: RequestID,
    _ context: Context, _ policy: inout String
  ) async -> Response {
    guard let route = routes.route(path) else { return Response(.noPublicRoute, requestID) }
    guard request.method == .get || request.method == .head else {
      return Response(.methodNotAllowed(["GET", "HEAD"]), requestID)
    }
    switch route {
    case .health:
      return Response(status: isReady() && !state.draining.isDraining ? .ok : .serviceUnavailable)
    case .home:
      policy = pages.policy
      return pages.home(requestID)
    case .installLink(let app):
      return .redirect(302, to: routes.settings.installLinks[app] ?? "/")
    case .callback(let kind, let app):
      // A HEAD must not spend a code: link checkers send it.
      guard request.method == .get else { return Response(status: .ok) }
      let callback = CallbackRequest(
        app: app, path: path, query: query, requestID: requestID,
        clientAddress: clientAddress(request, context))
      return render(await handle(kind, callback), requestID, &policy)
    }
  }

  private func handle(_ kind: CallbackKind, _ callback: CallbackRequest) async -> CallbackAnswer {
    switch kind {
    case .install: await callbacks.install(callback)
    case .load: await callbacks.load(callback)
    case .uninstall: await callbacks.uninstall(callback)
    case .removeUser: await callbacks.removeUser(callback)
    }
  }

  private func render(
    _ answer: CallbackAnswer, _ requestID: RequestID, _ policy: inout String
  ) -> Response {
    switch answer {
    case .page(let page):
      policy = pages.policy
      return pages.response(page, requestID)
    case .redirect(let status, let location): return .redirect(status, to: location)
    case .acknowledged: return Response(200, "application/json", Array("{}".utf8))
    case .refused(let problem): return Response(problem, requestID)
    }
  }

  /// The last address that a proxy of ours did not add itself.
  private func clientAddress(_ request: Request, _ context: Context) -> String {
    let trusted = routes.settings.trustedProxies
    guard trusted.contains(context.peer) else { return context.peer }
    let hops = request.headers[values: .forwardedFor].joined(separator: ",")
      .split { $0 == "," || $0 == " " }.map(String.init)
    return hops.last { !trusted.contains($0) } ?? context.peer
  }
}

extension Problem {
  fileprivate static let noPublicRoute = Problem(
    status: 404, code: "not_found", title: "Not found", detail: "There is nothing at this path.")
}
