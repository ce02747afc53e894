import Base
import BigCommerce
import Gateway
import Synchronization
import Upstream

/// The short way of requests that come whole: from the guard straight to what answers them, on the
/// connection's loop.
///
/// It passes by the decoder, the web framework and its tasks, and shares everything that decides:
/// the guard before it, the frame around it and the service behind it. An answer has the same bytes
/// as on the ordinary way.
final class Lane: Sendable {
  let service: any LaneService
  let frame: RequestFrame
  let clock: WallClock
  let dateLine = DateLine()

  init(service: any LaneService, frame: RequestFrame, clock: WallClock) {
    self.service = service
    self.frame = frame
    self.clock = clock
  }
}

/// What answers requests in the lane of a listener.
protocol LaneService: Sendable {
  /// How large a body may be, which must have come with its head; 0: none.
  var bodyLimit: ByteCount { get }

  /// Whether a request goes this way; `head` is well formed.
  func takes(_ head: Span<UInt8>) -> Bool

  /// Begins to answer, on the loop of the request's connection and without a task.
  ///
  /// `done` is called once on that loop, perhaps before this returns.
  ///
  /// - Returns: what ends the work when the client goes away; `nil` when nothing does.
  func begin(
    _ request: LaneRequest, _ done: @escaping @Sendable (GatewayResponse) -> Void
  ) -> (any Cancellable)?
}

/// The field `Date` with its line end, made once a second.
final class DateLine: Sendable {
  private let last = Mutex<(second: Int64, text: String)>((-1, ""))

  func text(_ now: Timestamp) -> String {
    last.withLock { last in
      if last.second != now.seconds {
        last = (now.seconds, "Date: \(HTTPDate.text(now))\r\n")
      }
      return last.text
    }
  }
}
