import Base
import BigCommerce
package import Events
import HTTPTypes
import Hummingbird
import Install

/// Takes a webhook that arrived.
package typealias WebhookHandling = @Sendable (WebhookRequest) async -> IntakeAnswer

/// Answers the public listener: callbacks, webhooks, install links, health.
///
/// Nothing internal is known here.
struct PublicResponder: Routes {
  let routes: PublicRoutes
  let callbacks: any CallbackHandling
  /// `nil`: webhooks have no address here.
  let webhooks: WebhookHandling?
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
        requestID: requestID, clientAddress: request.clientAddress)
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

  /// The sender is told no more than whether to come again: its answer counts against every store.
  private func take(_ request: WebRequest, _ app: AppName, _ token: String) async -> Response {
    let requestID = request.requestID
    guard let webhooks else { return Response(.noPublicRoute, requestID) }
    guard request.method == .post else { return Response(.methodNotAllowed(["POST"]), requestID) }
    let body: ByteBuffer
    do throws(RequestBodyError) {
      body = try await request.body.collect(upTo: WebhookLimits.body)
    } catch {
      return Response(error == .tooLarge ? .deliveryTooLarge : .deliveryCut, requestID)
    }
    let secrets = request.headers.filter {
      $0.name.canonicalName == WebhookLimits.secretHeader
    }.map(\.value)
    let delivery = WebhookRequest(
      app: app, pathToken: token, secrets: secrets,
      signature: WebhookSignatureHeaders(request.headers), body: Array(body.readableBytesView),
      requestID: requestID)
    // What is on its way to be written is written, also when the sender has gone.
    switch await webhooks(delivery) {
    case .taken: return Response(status: .ok)
    case .unknownAddress: return Response(.noPublicRoute, requestID)
    case .forged: return Response(.deliveryRefused, requestID)
    case .unavailable: return Response(.deliveryUnavailable, requestID)
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

  private func render(_ answer: CallbackAnswer, _ requestID: RequestID) -> Response {
    switch answer {
    case .page(let page): pages.response(page, requestID)
    case .redirect(let status, let location): .redirect(status, to: location)
    case .acknowledged: Response(200, "application/json", Array("{}".utf8))
    case .refused(let problem): Response(problem, requestID)
    }
  }
}

/// What a delivery may cost.
private enum WebhookLimits {
  static let body = ByteCount.kibibytes(64)
  /// The header with the address's secret, as canonical names are written.
  static let secretHeader = WebhookAddress.secretHeader.lowercased()
}

extension Problem {
  fileprivate static let deliveryTooLarge = Problem(
    status: 413, code: "body_too_large", title: "Body too large",
    detail: "A delivery has at most 64 KiB.")

  fileprivate static let deliveryCut = Problem(
    status: 400, code: "body_incomplete", title: "Body incomplete",
    detail: "The delivery did not arrive whole.")

  fileprivate static let deliveryRefused = Problem(
    status: 401, code: "delivery_refused", title: "Delivery refused",
    detail: "This is not a delivery of BigCommerce's for this address.")

  fileprivate static let deliveryUnavailable = Problem(
    status: 503, code: "unavailable", title: "Unavailable",
    detail: "The delivery cannot be kept right now. Send it again.", retryAfter: 5)

  fileprivate static let noPublicRoute = Problem(
    status: 404, code: "not_found", title: "Not found", detail: "There is nothing at this path.")
}
