/// Why a descriptor could not be watched.
package enum ReactorError: Error, Equatable {
  /// A system call failed; `code` is its `errno`.
  case system(call: String, code: Int32)
  /// The reactor was shut down.
  case shutDown
  /// The event loop is not one of the reactor's.
  case foreignLoop
}
