package import Base
import Spooling
package import Storage

/// Deliveries that were written together, as the spool keeps them.
package struct DeliveryBatch: Spoolable {
  package let deliveries: [Delivery]

  package init(_ deliveries: [Delivery]) {
    self.deliveries = deliveries
  }

  /// They are of several.
  package var installation: InstallationID? { nil }

  package var plaintext: Secret<[UInt8]> {
    Secret(JSONValue.array(deliveries.map(DeliveryBatch.value)).encoded())
  }

  package init?(plaintext: Secret<[UInt8]>, installation: InstallationID?) {
    guard installation == nil, let values = try? JSONScanner.parse(plaintext.expose()).array
    else { return nil }
    var deliveries: [Delivery] = []
    for value in values {
      guard let delivery = DeliveryBatch.delivery(value) else { return nil }
      deliveries.append(delivery)
    }
    self.deliveries = deliveries
  }

  private static func value(_ delivery: Delivery) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("app", .string(delivery.installation.app.text)),
      .init("store", .string(delivery.installation.store.text)),
      .init("key", .string(Base64.encode(delivery.key))),
      .init("received_at", .integer(delivery.receivedAt.microseconds)),
      .init("webhook_id", delivery.webhookID.map { .string($0) } ?? .null),
      .init("signature", .string(delivery.signature)),
      .init("request_id", .string(delivery.requestID.text)),
      .init("body", .string(Base64.encode(delivery.body))),
    ]
    switch delivery.fate {
    case .event(let content):
      members += [
        .init("scope", .string(content.scope)), .init("data", .string(content.data)),
        .init("occurred_at", .integer(content.occurredAt.microseconds)),
      ]
    case .quarantined(let reason, let scope):
      members += [
        .init("quarantine", .string(reason)),
        .init("scope", scope.map { .string($0) } ?? .null),
      ]
    }
    return .object(members)
  }

  private static func delivery(_ value: JSONValue) -> Delivery? {
    guard let app = value["app"]?.string.flatMap({ AppName($0) }),
      let store = value["store"]?.string.flatMap({ StoreHash($0) }),
      let key = value["key"]?.string.flatMap({ Base64.decode($0) }),
      let received = value["received_at"]?.integer, let signature = value["signature"]?.string,
      let requestID = value["request_id"]?.string.flatMap({ RequestID($0) }),
      let body = value["body"]?.string.flatMap({ Base64.decode($0) }), let fate = fate(value)
    else { return nil }
    return Delivery(
      installation: InstallationID(app: app, store: store), key: key,
      receivedAt: Timestamp(microseconds: received), webhookID: value["webhook_id"]?.string,
      signature: signature, fate: fate, requestID: requestID, body: body)
  }

  private static func fate(_ value: JSONValue) -> Delivery.Fate? {
    let scope = value["scope"]?.string
    if let reason = value["quarantine"]?.string {
      return .quarantined(reason: reason, scope: scope)
    }
    guard let scope, let data = value["data"]?.string, let occurred = value["occurred_at"]?.integer
    else { return nil }
    return .event(
      Delivery.Content(
        scope: scope, occurredAt: Timestamp(microseconds: occurred), data: data))
  }
}
