import Base
import BigCommerce
import HTTPTypes
import Storage

extension Operation {
  static let listDeliveries = Operation(
    .get, "/v1/deliveries", "listDeliveries", .deliveries, "Lists deliveries",
    "Newest first. A page may hold fewer than `limit`, and nothing at all, though `next` is there.",
    access: .ability(.eventsRead),
    parameters: [
      .ofApp, .ofStore, .query("scope", .eventTypes, "Only of these scopes, with commas between."),
      .query("status", .word(DeliveryFilter.Status.self), "Only what is in the feed, or is not."),
      .query(
        "signature", .text(1...64, pattern: "^[!-~]+$", words: "word", example: "valid"),
        "Only with this outcome of the check."), .since, .until, .limit, .after,
    ], answers: [.page(of: .delivery, "A page of deliveries.")])

  static let showDelivery = Operation(
    .get, "/v1/deliveries/{id}", "showDelivery", .deliveries, "Shows a delivery with its body",
    access: .ability(.eventsRead), parameters: [.deliveryID],
    answers: [.ok(.deliveryWithBody, "The delivery.")], problems: [.notFound])

  static let replayDelivery = Operation(
    .post, "/v1/deliveries/{id}/replay", "replayDelivery", .deliveries,
    "Makes an event of a delivery once more", "Also of one that was quarantined.",
    access: .ability(.operator), parameters: [.deliveryID],
    answers: [
      .created(
        .object([
          Field("event_id", .eventID, "The event that was made."),
          Field("delivery_id", .deliveryID, "The delivery."),
          Field("type", .text(), "The event's type.", example: "store/order/created"),
        ]), "The event is in the feed.")
    ], problems: [.notFound, .deliveryUnreadable])
}

extension Parameter {
  fileprivate static let deliveryID = Parameter.path("id", .deliveryID, "The delivery's number.")
}

extension Schema {
  fileprivate static let deliveryID = Schema.text(
    pattern: "^[0-9]{1,19}$", words: "number as text", example: "17")

  private static let deliveryFields: [Field] = [
    Field("id", .deliveryID, "Its number."),
    Field("app", .appName, "The app."),
    Field("store_hash", .storeHash, "The store."),
    Field("received_at", .time, "When it came."),
    Field("scope", .text(example: "store/order/created").orNull, "What it says happened."),
    Field("webhook_id", .text().orNull, "BigCommerce's ID of the message."),
    Field("signature", .text(), "What became of the check of its signature.", example: "valid"),
    Field("quarantine", .text().orNull, "Why it is not in the feed.", example: .null),
    Field("event_id", .eventID.orNull, "The event that was made of it."),
    Field("request_id", .requestID, "The request that brought it."),
    Field("repeats", .integer.orNull, "The delivery that it repeats.", example: .null),
    Field("bytes", .count, "How large its body is.", example: 213),
  ]

  fileprivate static let delivery = Schema.object(
    "Delivery", "A webhook request of BigCommerce.", deliveryFields)

  fileprivate static let deliveryWithBody = Schema.object(
    "DeliveryWithBody", "A delivery with its body, as text or, where it is none, in base64.",
    deliveryFields + [
      .sometimes("body", .text(), "The body.", example: "{\"scope\":\"store/order/created\"}"),
      .sometimes("body_base64", .text(), "The body in base64."),
    ])
}
