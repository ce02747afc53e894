import Synchronization

/// Whom a request is about and who makes it, as far as it is known.
package struct RequestSubject: Hashable, Sendable {
  package var app: AppName?
  package var store: StoreHash?
  /// The ID of the caller's key, never its text.
  package var caller: String?
  /// What its `Idempotency-Key` came to; `nil` when it has none that counts.
  package var idempotency: Idempotency?

  package init(app: AppName? = nil, store: StoreHash? = nil, caller: String? = nil) {
    self.app = app
    self.store = store
    self.caller = caller
  }
}

/// What the log says of one request beside its line: which trace it is part of, and what is found
/// out on its way.
package final class RequestNotes: Sendable {
  package let trace: TraceContext
  private let found = Mutex(RequestSubject())

  package init(trace: TraceContext) {
    self.trace = trace
  }

  /// All that was found so far.
  package var subject: RequestSubject { found.withLock { $0 } }

  /// Adds what is known now; what is `nil` stays as it was.
  package func note(_ more: RequestSubject) {
    found.withLock { found in
      found.app = more.app ?? found.app
      found.store = more.store ?? found.store
      found.caller = more.caller ?? found.caller
      found.idempotency = more.idempotency ?? found.idempotency
    }
  }

  package func note(_ installation: InstallationID) {
    note(RequestSubject(app: installation.app, store: installation.store))
  }
}
