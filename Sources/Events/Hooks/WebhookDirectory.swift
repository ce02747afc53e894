package import Base
package import Logging
package import Postgres
import ServiceLifecycle
package import Storage
import Synchronization

/// This replica's copy of all addresses of webhooks: what the intake reads instead of the database.
///
/// It polls the change counter every second. When it could not for ``staleAfter``, it goes on
/// answering for what it knows, because webhooks must be taken while the database is away; only
/// what it does not know it can then no longer tell.
package final class WebhookDirectory: Service, WebhookAddressFinding {
  package static let pollEvery = Duration.seconds(1)
  package static let staleAfter = Duration.seconds(5)
  /// How many lookups may wait for a poll.
  package static let mostWaiting = 1000

  fileprivate struct Waiter {
    let continuation: CheckedContinuation<Bool, Never>
    /// Only a poll that began later can know what it waits for.
    let after: UInt64
  }

  fileprivate struct State {
    var addresses: [String: WebhookAddressRecord] = [:]
    var position: Int64 = 0
    /// When the last successful poll began, by the monotonic clock.
    var trueAt: Duration?
    /// Polls that have begun.
    var polls: UInt64 = 0
    var waiters: [UInt64: Waiter] = [:]
    var lastWaiter: UInt64 = 0
  }

  private let source: any WebhookAddressSource
  private let clock: MonotonicClock
  private let wall: WallClock
  private let logger: Logger
  private let state = Mutex(State())

  package init(
    source: any WebhookAddressSource, clock: MonotonicClock = .system, wall: WallClock = .system,
    logger: Logger
  ) {
    self.source = source
    self.clock = clock
    self.wall = wall
    self.logger = logger
  }

  /// How many addresses are known.
  package var count: Int { state.withLock { $0.addresses.count } }

  package func find(_ app: AppName, _ pathToken: String) async -> WebhookAddressLookup {
    if let known = known(app, pathToken) { return known }
    guard isTrusted, await waitForPoll() else { return .cannotTell }
    return known(app, pathToken) ?? .unknown
  }

  /// Reads what has changed; afterwards everything committed before the call counts here.
  ///
  /// May run beside itself and beside ``run()``.
  package func refreshNow() async throws(PostgresError) {
    let began = clock.now()
    let (poll, position) = state.withLock { state in
      state.polls += 1
      return (state.polls, state.position)
    }
    var isGood = false
    defer { wake(before: poll, with: isGood) }
    let changes = try await source.changes(after: position)
    state.withLock { state in
      state.apply(changes)
      state.trueAt = max(state.trueAt ?? began, began)
    }
    isGood = true
  }

  /// Polls until the task is cancelled or the service group shuts down.
  package func run() async throws {
    await cancelWhenGracefulShutdown {
      var failures = 0
      var polls = 0
      while !Task.isCancelled {
        polls += 1
        if polls.isMultiple(of: 60) { self.forgetExpired() }
        do throws(PostgresError) {
          try await self.refreshNow()
          failures = 0
        } catch {
          failures += 1
          if !Task.isCancelled, failures % 10 == 1 {
            self.logger.warning(
              "changes of webhook addresses cannot be read", metadata: ["error": "\(error)"])
          }
        }
        // Cancelled: the loop's condition ends it.
        try? await self.clock.sleep(for: Self.pollEvery)
      }
    }
    // Nobody polls any more.
    wake(before: .max, with: false)
  }

  private var isTrusted: Bool {
    let now = clock.now()
    return state.withLock { $0.trueAt }.map { now - $0 <= Self.staleAfter } ?? false
  }

  /// `nil` when the token must be looked for again; one of another app is nobody's.
  package func known(_ app: AppName, _ pathToken: String) -> WebhookAddressLookup? {
    guard let record = state.withLock({ $0.addresses[pathToken] }) else { return nil }
    guard record.installation.app == app else { return .unknown }
    if let end = record.acceptedUntil, end <= wall.now() { return .unknown }
    return .found(
      WebhookAddress(
        installation: record.installation, secretSHA256: record.secretSHA256,
        isLive: record.isLive))
  }

  /// Waits until a poll that begins from now on has ended.
  ///
  /// - Returns: whether it was a good one; `false` at once when too many wait.
  private func waitForPoll() async -> Bool {
    let number = state.withLock { state in
      state.lastWaiter += 1
      return state.lastWaiter
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isIn = state.withLock { state in
          guard state.waiters.count < Self.mostWaiting, !Task.isCancelled else { return false }
          state.waiters[number] = Waiter(continuation: continuation, after: state.polls)
          return true
        }
        if !isIn { continuation.resume(returning: false) }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: number) }?
        .continuation.resume(returning: false)
    }
  }

  private func wake(before poll: UInt64, with isGood: Bool) {
    let woken = state.withLock { state in
      let due = state.waiters.filter { $0.value.after < poll }
      for number in due.keys { state.waiters[number] = nil }
      return due.values
    }
    for waiter in woken { waiter.continuation.resume(returning: isGood) }
  }

  private func forgetExpired() {
    let now = wall.now()
    state.withLock { state in
      state.addresses = state.addresses.filter { $0.value.acceptedUntil.map { $0 > now } ?? true }
    }
  }
}

extension WebhookDirectory.State {
  /// Takes over what changed; a row older than the one known is left out, so that polls may
  /// overlap.
  fileprivate mutating func apply(_ changes: WebhookAddressChanges) {
    if changes.replacesAll { addresses = [:] }
    for record in changes.addresses {
      if let known = addresses[record.pathToken], known.changeNumber >= record.changeNumber {
        continue
      }
      addresses[record.pathToken] = record
    }
    position = changes.replacesAll ? changes.position : max(position, changes.position)
  }
}
