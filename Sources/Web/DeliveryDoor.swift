import Base
import BigCommerce
import Events
import Fields
import NIOCore

/// Where deliveries come in, whatever their way: what is read of a request, and what its sender is
/// told.
struct DeliveryDoor: Sendable {
  static let bodyLimit = ByteCount.kibibytes(64)

  let intake: any DeliveryTaking

  static func delivery(
    _ app: AppName, _ token: String, _ headers: FieldSection, _ body: ByteBuffer,
    _ requestID: RequestID, _ notes: RequestNotes
  ) -> WebhookRequest {
    WebhookRequest(
      app: app, pathToken: token, secrets: headers.all(.webhookSecret),
      signature: WebhookSignatureHeaders(headers), body: Array(body.readableBytesView),
      requestID: requestID, notes: notes)
  }

  /// `nil`: it is taken.
  ///
  /// The sender is told no more than whether to come again: its answer counts against every store.
  static func problem(_ answer: IntakeAnswer) -> Problem? {
    switch answer {
    case .taken: nil
    case .unknownAddress: .noPublicRoute
    case .forged: .deliveryRefused
    case .unavailable: .deliveryUnavailable
    }
  }
}

extension Problem {
  fileprivate static let deliveryRefused = Problem(
    status: 401, code: "delivery_refused", title: "Delivery refused",
    detail: "This is not a delivery of BigCommerce's for this address.")

  fileprivate static let deliveryUnavailable = Problem(
    status: 503, code: "unavailable", title: "Unavailable",
    detail: "The delivery cannot be kept right now. Send it again.", retryAfter: 5)
}
