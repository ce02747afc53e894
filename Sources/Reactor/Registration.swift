import NIOCore

/// A descriptor that is being watched on one event loop.
///
/// To be used on that loop's thread only (checked). The owner calls `cancel()` *before* it closes
/// the descriptor: numbers are reused at once. A registration that nobody cancels stays until the
/// reactor is shut down.
package struct Registration: Sendable {
  let token: UInt64
  let set: NIOLoopBoundBox<PollSet>

  /// Changes what is waited for; nothing at all (`[]`) also silences failures.
  ///
  /// Does nothing after `cancel()`.
  package func update(interest: Readiness) throws(ReactorError) {
    try set.value.update(token, interest: interest)
  }

  /// Ends the watching.
  ///
  /// The handler is not called again, not even for what has already happened.
  package func cancel() {
    set.value.cancel(token)
  }
}
