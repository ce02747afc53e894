import Base
import Hummingbird
import NIOCore
import Synchronization

/// Pages that are sent again whenever they say something else, as server-sent events, until the
/// browser leaves, the session or its key ends, or the replica stops.
struct LivePages: Sendable {
  /// Streams of this replica at one time; one more is refused, and its page asks by itself.
  static let most = 100
  /// How often a page is made.
  static let every = Duration.seconds(5)
  /// How often it is looked whether it may go on.
  static let check = Duration.milliseconds(200)
  /// Without news, something goes out so often: proxies and browsers see that the line lives.
  static let heartbeat = Duration.seconds(15)

  let draining: Draining
  let time: MonotonicClock
  private let places = LivePlaces()

  init(draining: Draining, time: MonotonicClock) {
    self.draining = draining
    self.time = time
  }

  /// A stream that begins with the page as it is.
  ///
  /// `mayGoOn` is false as soon as the session or its key has ended; `make` is the page, `nil` when
  /// it cannot be made, or not any more for whom it is.
  /// - Throws: 503 when there are ``most`` already, or the replica stops.
  func stream(
    mayGoOn: @escaping @Sendable () -> Bool, make: @escaping @Sendable () async -> String?
  ) throws(Problem) -> Response {
    guard !draining.isDraining else { throw .draining }
    guard let place = places.take() else { throw .tooManyStreams }
    return Response(
      status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
      body: ResponseBody { writer in
        defer { place.leave() }
        try await writer.write(ByteBuffer(string: "retry: 2000\n\n"))
        var (shown, made, spoken): (String?, Duration?, Duration) = (nil, nil, time.now())
        while !draining.isDraining, !Task.isCancelled, mayGoOn() {
          let now = time.now()
          if made.map({ now - $0 >= Self.every }) ?? true {
            guard let page = await make() else { break }
            made = now
            if page != shown {
              shown = page
              spoken = now
              try await writer.write(ByteBuffer(string: Self.event(page)))
            }
          }
          if now - spoken >= Self.heartbeat {
            spoken = now
            try await writer.write(ByteBuffer(string: ":\n\n"))
          }
          do {
            try await time.sleep(for: Self.check)
          } catch {
            break
          }
        }
        try await writer.finish(nil)
      })
  }

  /// The text as one event; its lines are those of the event.
  static func event(_ text: String) -> String {
    text.split(separator: /\r\n|\r|\n/, omittingEmptySubsequences: false)
      .map { "data: \($0)\n" }.joined() + "\n"
  }
}

/// Counts the streams of this replica.
private final class LivePlaces: Sendable {
  private let taken = Mutex(0)

  /// `nil` when all are taken.
  func take() -> LivePlace? {
    let isFree = taken.withLock { count in
      guard count < LivePages.most else { return false }
      count += 1
      return true
    }
    return isFree ? LivePlace { self.taken.withLock { $0 -= 1 } } : nil
  }
}

/// A place of a stream, free again when it is left, or when nobody will come any more.
private final class LivePlace: Sendable {
  private let isLeft = Atomic<Bool>(false)
  private let free: @Sendable () -> Void

  init(_ free: @escaping @Sendable () -> Void) {
    self.free = free
  }

  func leave() {
    if !isLeft.exchange(true, ordering: .relaxed) { free() }
  }

  deinit { leave() }
}

extension Problem {
  fileprivate static let tooManyStreams = Problem(
    status: 503, code: "overloaded", title: "Too many live pages",
    detail: "This replica shows as many live pages as it may. The page asks by itself now.",
    retryAfter: 5)
}
