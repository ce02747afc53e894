import Base
import DequeModule
import NIOCore

/// The connections to one destination and the deliveries that wait for one.
final class Lane {
  /// Where a lane leads.
  struct Key: Hashable {
    let isTLS: Bool
    let host: String
    let port: Int

    init(_ target: OutboundTarget) {
      isTLS = target.isTLS
      host = target.host
      port = target.port
    }
  }

  let key: Key
  var waiting: Deque<Delivery> = []
  /// Connections without a request, the one used last at the end.
  var idle: [WebhookConnection] = []
  /// Connections with a request, those that are being opened included.
  var busy = 0

  init(_ key: Key) {
    self.key = key
  }
}

/// One request on its way and what it is part of.
struct Exchange {
  let delivery: Delivery
  let hook: HookTarget
  let target: OutboundTarget
  let request: WebhookRequest
  let sent: Timestamp
  let started: NIODeadline
}
