package import Base
package import Postgres
package import Storage

/// Writes down, look after look, what this replica counted and what was seen waiting.
///
/// A batch that fails is tried again as it is, so that one whose COMMIT was not heard counts once;
/// what was counted meanwhile goes into the next.
package actor FlowWriter {
  private let ledger: FlowLedger
  private let name: String
  private let counted: @Sendable () -> FlowCounts
  private let clock: WallClock
  /// What was counted up to the last batch.
  private var told = FlowCounts()
  private var written: Int64 = 0
  private var unwritten: FlowBatch?

  /// A writer that has told nothing yet.
  ///
  /// - Parameters:
  ///   - ledger: where it tells.
  ///   - name: random, so that its batches are told from others'.
  ///   - clock: says which minute it is.
  ///   - counted: what was counted since the start.
  package init(
    ledger: FlowLedger, name: String, clock: WallClock = .system,
    counted: @escaping @Sendable () -> FlowCounts
  ) {
    self.ledger = ledger
    self.name = name
    self.clock = clock
    self.counted = counted
  }

  /// Writes what was counted since the last time, beside what a look has just seen.
  package func write(_ backlog: Backlog, feedLag: Duration) async throws(PostgresError) {
    if let batch = unwritten { try await write(batch) }
    let all = counted()
    let batch = FlowBatch(
      minute: clock.now().seconds / 60, counts: all - told, backlog: backlog, feedLag: feedLag)
    told = all
    unwritten = batch
    try await write(batch)
  }

  private func write(_ batch: FlowBatch) async throws(PostgresError) {
    try await ledger.add(batch, number: written + 1, of: name)
    written += 1
    unwritten = nil
  }
}
