import Base
import Crypto
import NIOCore

/// Something that happened in a store, before anyone hears of it.
struct Happening: Sendable {
  let scope: String
  /// The payload's `data`.
  let data: JSONValue
}

/// Something that happened, and the webhooks that hear of it.
struct Occurrence: Sendable {
  let store: Store
  let happening: Happening
  let at: Timestamp
  let hooks: [HookTarget]
}

/// An event on its way: what every delivery of it carries.
final class WebhookEvent: Sendable {
  /// Counts all events of this sandbox from 1.
  let number: Int
  /// The `webhook-id`, the same for every delivery and retry.
  let id: String
  let scope: String
  let store: Store
  let body: ByteBuffer

  init(number: Int, id: String, occurrence: Occurrence) {
    self.number = number
    self.id = id
    scope = occurrence.happening.scope
    store = occurrence.store
    body = WebhookEvent.payload(occurrence, swapped: !number.isMultiple(of: 2))
  }

  /// The body on one line; swapped, its members have another order, as they do on the platform.
  private static func payload(_ occurrence: Occurrence, swapped: Bool) -> ByteBuffer {
    let data = occurrence.happening.data.encoded()
    let scope = JSONValue.string(occurrence.happening.scope).text
    let hash = Hex.encode(Insecure.SHA1.hash(data: data))
    let number = 1_000_000 + occurrence.store.number
    let producer = "\"producer\":\"stores/\(occurrence.store.hash)\""
    let head = "\"scope\":\(scope),\"store_id\":\"\(number)\""
    let tail = "\"hash\":\"\(hash)\",\"created_at\":\(occurrence.at.seconds)"
    var body = ByteBuffer()
    body.writeString("{" + (swapped ? head : producer) + ",\"data\":")
    body.writeBytes(data)
    body.writeString(
      "," + tail + "," + (swapped ? producer : head) + "}")
    return body
  }
}

/// One event on its way to one webhook.
struct Delivery: Sendable {
  let event: WebhookEvent
  /// Its place in the ledger.
  let number: Int
  let hook: Int64
  /// The app, whose secret signs.
  let clientID: String
  /// Attempts so far.
  var attempts = 0
  /// Whether this repeats a delivery on purpose; it is not tried again.
  var isCopy = false
}
