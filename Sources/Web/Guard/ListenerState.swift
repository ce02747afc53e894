import Base
import Synchronization

/// Whether the process is on its way out; shared by both listeners.
///
/// First readiness says so for a while and answers end their connections; then the listeners stop
/// accepting.
package final class Draining: Sendable {
  private let flag = Atomic<Bool>(false)

  package init() {}

  package var isDraining: Bool { flag.load(ordering: .relaxed) }

  /// From now on `/readyz` and `/healthz` answer 503, and each answer carries `Connection: close`.
  package func begin() { flag.store(true, ordering: .relaxed) }
}

/// What the connections of one listener share.
struct ListenerState: Sendable {
  let limits: GuardLimits
  /// `nil`: the listener has its connections for itself.
  let share: ConnectionShare?
  let counters: ListenerCounters
  let draining: Draining
  let requestIDs: RequestIDSource
  /// Fields of every answer that the guard makes itself, as they go out: lines with their ends.
  let fixedFields: String
  /// Which methods a path takes, for those who send another that no path takes.
  let methods: @Sendable (String) -> [String]
  /// Whether the end of the client's sending cancels the request that is being served.
  let cancelsWhenGone: Bool
  let usesTLS: Bool
  /// Of the tasks that answer requests, `nil` for the ordinary one.
  ///
  /// Tasks of one priority have threads of their own, and the kernel gives these the same time as
  /// others (or a little more): so a flood of one listener does not stand before the other's
  /// requests. The pool of the database looks at it as well.
  let priority: TaskPriority?
  /// The short way of requests that come whole; `nil`: all go the ordinary way.
  let lanes: Lanes?
}
