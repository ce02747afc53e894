import Base
package import Postgres

/// Writes whose outcome must be certain, within a time.
package enum Deadline {
  /// Runs the operation and cancels it when its time is up.
  ///
  /// It is awaited even then, so that a write that was in the middle of its COMMIT is reported as
  /// what it became; the database client gives a cancelled operation up at once.
  package static func limit<Success: Sendable>(
    to limit: Duration,
    _ operation: @escaping @Sendable () async -> Result<Success, PostgresError>
  ) async -> Result<Success, PostgresError> {
    await withTaskGroup(of: Result<Success, PostgresError>?.self) { group in
      group.addTask { await operation() }
      group.addTask {
        try? await Task.sleep(for: limit)
        return nil
      }
      var outcome = Result<Success, PostgresError>.failure(.cancelled)
      for await result in group {
        if let result { outcome = result }
        group.cancelAll()
      }
      return outcome
    }
  }

  /// Repeats the operation, which must be idempotent, until its outcome is certain or the time is
  /// up.
  ///
  /// One try takes at most `each`.
  package static func settle<Success: Sendable>(
    within total: Duration, each: Duration,
    _ operation: @escaping @Sendable () async throws(PostgresError) -> Success
  ) async -> Result<Success, PostgresError> {
    let clock = ContinuousClock()
    let end = clock.now + total
    var pause = Duration.milliseconds(20)
    while true {
      let result = await limit(to: min(each, max(.zero, end - clock.now))) {
        await Result { () async throws(PostgresError) in try await operation() }
      }
      guard case .failure(let error) = result, error.isPassing, clock.now + pause < end else {
        return result
      }
      try? await Task.sleep(for: pause)
      pause = min(pause * 2, .milliseconds(500))
    }
  }
}

extension PostgresError {
  /// Whether the same operation may succeed later; otherwise it is our mistake.
  package var isPassing: Bool {
    switch self {
    case .uniqueViolation, .foreignKeyViolation, .checkViolation, .decoding, .binding: false
    case .server(let sqlState, _):
      // 22: data, 23: integrity, 42: syntax or access rule.
      !["22", "23", "42"].contains(sqlState.prefix(2))
    default: true
    }
  }
}

extension Result {
  /// Catches what the operation throws.
  package init(_ operation: () async throws(Failure) -> Success) async {
    do throws(Failure) {
      self = .success(try await operation())
    } catch {
      self = .failure(error)
    }
  }
}
