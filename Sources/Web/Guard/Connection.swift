package import NIOCore
import Synchronization

/// One client connection as its requests' handlers see it; the guard's handlers keep it true.
package final class Connection: Sendable {
  /// The connection whose request the current task serves.
  @TaskLocal package static var current: Connection?

  /// The event loop of the connection's channel.
  package let loop: any EventLoop
  /// The peer's address as text, without its port; empty when it is not an IP address.
  package let peer: String

  private struct State {
    var task: Task<Void, Never>?
    var isGone = false
    var bodyIsComplete = true
    var onContinue: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  init(loop: any EventLoop, peer: String) {
    self.loop = loop
    self.peer = peer
  }

  /// Whether the client went away.
  package var isGone: Bool { state.withLock { $0.isGone } }

  /// Whether the whole body of the current request has arrived and was well formed.
  var bodyIsComplete: Bool { state.withLock { $0.bodyIsComplete } }

  /// Tells a client that waits with its body (`Expect: 100-continue`) to send it.
  func wantBody() {
    let action = state.withLock { state in
      defer { state.onContinue = nil }
      return state.onContinue
    }
    action?()
  }

  // MARK: For the guard

  func serve(with task: Task<Void, Never>) {
    let isGone = state.withLock { state in
      state.task = task
      return state.isGone
    }
    if isGone { task.cancel() }
  }

  func beginRequest(bodyIsComplete: Bool, onContinue: (@Sendable () -> Void)?) {
    state.withLock {
      $0.bodyIsComplete = bodyIsComplete
      $0.onContinue = onContinue
    }
  }

  func endBody() {
    state.withLock { $0.bodyIsComplete = true }
  }

  /// Cancels the task that serves the connection.
  func markGone() {
    let task = state.withLock { state in
      state.isGone = true
      defer { state.task = nil }
      return state.task
    }
    task?.cancel()
  }
}
