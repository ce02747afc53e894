package import NIOCore
import Upstream
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
    var bodyIsHalfRead = false
    var onWanted: (@Sendable () -> Void)?
    var call: (any Cancellable)?
  }

  private let state = Mutex(State())

  init(loop: any EventLoop, peer: String) {
    self.loop = loop
    self.peer = peer
  }

  /// Whether the client went away.
  package var isGone: Bool { state.withLock { $0.isGone } }

  /// Whether a handler has begun to read the body of the current request and has not come to its
  /// end.
  var bodyIsHalfRead: Bool { state.withLock { $0.bodyIsHalfRead } }

  /// A handler begins to read the body: tells a client that waits with it (`Expect: 100-continue`)
  /// to send it.
  func wantBody() {
    let action = state.withLock { state in
      state.bodyIsHalfRead = true
      defer { state.onWanted = nil }
      return state.onWanted
    }
    action?()
  }

  /// A handler has read the body to its end.
  ///
  /// - Returns: whether it is the end of a whole body.
  func finishBody() -> Bool {
    state.withLock { state in
      state.bodyIsHalfRead = !state.bodyIsComplete
      return state.bodyIsComplete
    }
  }

  // MARK: For the guard

  func serve(with task: Task<Void, Never>) {
    let isGone = state.withLock { state in
      if !state.isGone { state.task = task }
      return state.isGone
    }
    if isGone { task.cancel() }
  }

  func beginRequest(bodyIsComplete: Bool, onWanted: (@Sendable () -> Void)?) {
    state.withLock {
      $0.bodyIsComplete = bodyIsComplete
      $0.bodyIsHalfRead = false
      $0.onWanted = onWanted
      $0.call = nil
    }
  }

  /// The current request is answered; what served it is let go.
  func endCall() {
    state.withLock { $0.call = nil }
  }

  func endBody() {
    state.withLock { $0.bodyIsComplete = true }
  }

  /// What is cancelled when the client goes away before its next request.
  func serve(with call: any Cancellable) {
    let isGone = state.withLock { state in
      if !state.isGone { state.call = call }
      return state.isGone
    }
    if isGone { call.cancel() }
  }

  /// Cancels the task that serves the connection, and what the current request does.
  ///
  /// All that is held for the connection is let go, also what wants a body that nobody wanted: it
  /// holds the guard, which holds this.
  func markGone() {
    let (task, call) = state.withLock { state in
      state.isGone = true
      defer { (state.task, state.call, state.onWanted) = (nil, nil, nil) }
      return (state.task, state.call)
    }
    task?.cancel()
    call?.cancel()
  }
}
