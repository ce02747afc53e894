import Base
import BigCommerce
import Events
import Fields
import HTTPTypes
import Hummingbird
import Install

/// Answers the public listener: callbacks, webhooks, install links, health.
///
/// Nothing internal is known here.
struct PublicResponder: Routes {
  let routes: PublicRoutes
  let callbacks: any CallbackHandling
  /// `nil`: webhooks have no address here.
  let deliveries: DeliveryDoor?
  let underWay: CallbacksUnderWay
  let pages: MerchantPages
  let draining: Draining
  /// Whether this replica can serve.
  let isReady: @Sendable () -> Bool

  func respond(to request: WebRequest) async -> Response {
    let requestID = request.requestID
    guard let route = routes.route(String(request.target.path)) else {
      return Response(.noPublicRoute, requestID)
    }
    if case .webhook(let app, let token) = route {
      return await take(request, app, token)
    }
    let isCallback = if case .callback = route { true } else { false }
    // A callback acts, so a HEAD (a link checker, a preview) must not reach it.
    guard request.method == .get || (request.method == .head && !isCallback) else {
      return Response(.methodNotAllowed(isCallback ? ["GET"] : ["GET", "HEAD"]), requestID)
    }
    switch route {
    case .webhook: return Response(.noPublicRoute, requestID)
    case .health:
      return Response(status: isReady() && !draining.isDraining ? .ok : .serviceUnavailable)
    case .home: return pages.home()
    case .installLink(let app):
      return .redirect(302, to: routes.settings.installLinks[app] ?? "/")
    case .callback(let kind, let app):
      let callback = CallbackRequest(
        app: app, path: String(request.target.path), query: String(request.target.query ?? ""),
        requestID: requestID, notes: request.notes, clientAddress: request.clientAddress)
      request.notes.note(RequestSubject(app: app))
      guard underWay.begin() else {
        return pages.response(
          MerchantPage(status: 503, kind: .failed(.tooManyAttempts), store: nil), requestID)
      }
      let answer = await toTheEnd {
        defer { underWay.end() }
        return await handle(kind, callback)
      }
      return render(answer, requestID)
    }
  }

  private func take(_ request: WebRequest, _ app: AppName, _ token: String) async -> Response {
    let requestID = request.requestID
    guard let deliveries else { return Response(.noPublicRoute, requestID) }
    guard request.method == .post else { return Response(.methodNotAllowed(["POST"]), requestID) }
    let body: ByteBuffer
    do throws(RequestBodyError) {
      body = try await request.body.collect(upTo: DeliveryDoor.bodyLimit)
    } catch {
      return Response(error == .tooLarge ? .deliveryTooLarge : .deliveryCut, requestID)
    }
    let delivery = DeliveryDoor.delivery(
      app, token, FieldSection(request.headers), body, requestID, request.notes)
    guard let problem = DeliveryDoor.problem(await deliveries.intake.take(delivery)) else {
      return Response(status: .ok)
    }
    return Response(problem, requestID)
  }

  private func handle(_ kind: CallbackKind, _ callback: CallbackRequest) async -> CallbackAnswer {
    switch kind {
    case .install: await callbacks.install(callback)
    case .load: await callbacks.load(callback)
    case .uninstall: await callbacks.uninstall(callback)
    case .removeUser: await callbacks.removeUser(callback)
    }
  }

  private func render(_ answer: CallbackAnswer, _ requestID: RequestID) -> Response {
    switch answer {
    case .page(let page): pages.response(page, requestID)
    case .redirect(let status, let location): .redirect(status, to: location)
    case .acknowledged: Response(200, "application/json", Array("{}".utf8))
    case .refused(let problem): Response(problem, requestID)
    }
  }
}

extension Problem {
  fileprivate static let deliveryTooLarge = Problem(
    status: 413, code: "body_too_large", title: "Body too large",
    detail: "A delivery has at most 64 KiB.")

  fileprivate static let deliveryCut = Problem(
    status: 400, code: "body_incomplete", title: "Body incomplete",
    detail: "The delivery did not arrive whole.")

  static let noPublicRoute = Problem(
    status: 404, code: "not_found", title: "Not found", detail: "There is nothing at this path.")
}
