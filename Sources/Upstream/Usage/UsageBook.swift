import BigCommerce
package import NIOCore
package import Storage
import Synchronization

/// Who called which part of which store.
package struct CallTags: Sendable {
  package let store: StoreEntry
  package let key: KeyEntry
  package let demand: QuotaDemand

  package init(store: StoreEntry, key: KeyEntry, demand: QuotaDemand) {
    self.store = store
    self.key = key
    self.demand = demand
  }
}

/// What the calls of this replica came to, and which failed, as far as it is not written yet.
///
/// A cell is of one minute, store, caller and family of endpoints. Each event loop has a page of
/// its own, so that no call waits for another loop's. While the database is away cells pile up:
/// past a first limit caller and family are no longer told apart, past a second one calls are not
/// counted, and how many is. Of failed calls a page holds the newest few of each store and kind.
package final class UsageBook: Sendable {
  /// How many cells a page may hold.
  package struct Limits: Sendable {
    /// Up to here callers and families are told apart.
    package var detailed: Int
    package var all: Int
    /// Failed calls.
    package var failures: Int

    package init(detailed: Int = 50_000, all: Int = 100_000, failures: Int = 500) {
      self.detailed = detailed
      self.all = all
      self.failures = failures
    }
  }

  /// Names a cell in this process, by objects that the cell keeps alive.
  private struct Place: Hashable {
    let minute: Int64
    let store: ObjectIdentifier
    let caller: ObjectIdentifier?
    let family: UInt8
  }

  private struct Entry {
    let call: CallTags
    var counts = UsageCounts()
  }

  private final class Page: Sendable {
    let cells = Mutex<[Place: Entry]>([:])
    let failures = Mutex(FailurePage())
  }

  private let pages: [Page]
  private let pageOfLoop: [ObjectIdentifier: Int]
  private let limits: Limits
  private let lost = Atomic<UInt64>(0)
  private let lostNotes = Atomic<UInt64>(0)

  /// A book with a page for each of these loops.
  package init(loops: some Sequence<any EventLoop>, limits: Limits = Limits()) {
    let loops = loops.map { ObjectIdentifier($0) }
    pages = (0..<max(1, loops.count)).map { _ in Page() }
    pageOfLoop = Dictionary(zip(loops, 0...), uniquingKeysWith: { first, _ in first })
    self.limits = limits
  }

  /// Calls that are not counted, because there were too many cells.
  package var lostCalls: UInt64 { lost.load(ordering: .relaxed) }

  /// Failed calls that are not noted, because calls of too many stores and kinds failed at once.
  package var lostFailures: UInt64 { lostNotes.load(ordering: .relaxed) }

  /// Cells that wait to be written.
  package var cells: Int { pages.reduce(0) { sum, page in sum + page.cells.withLock(\.count) } }

  /// Counts calls on the page of a loop; a loop that is not the book's has the first one's.
  package func count(
    _ counts: UsageCounts, of call: CallTags, minute: Int64, on loop: any EventLoop
  ) {
    let page = pages[pageOfLoop[ObjectIdentifier(loop)] ?? 0]
    let store = ObjectIdentifier(call.store.activity)
    let full = Place(
      minute: minute, store: store, caller: ObjectIdentifier(call.key.activity),
      family: call.demand.family.id.number)
    page.cells.withLock { cells in
      if cells[full]?.counts.add(counts) != nil { return }
      if cells.count < limits.detailed {
        cells[full] = Entry(call: call, counts: counts)
        return
      }
      let coarse = Place(minute: minute, store: store, caller: nil, family: 0)
      if cells[coarse]?.counts.add(counts) != nil { return }
      if cells.count < limits.all {
        cells[coarse] = Entry(call: call, counts: counts)
      } else {
        lost.wrappingAdd(UInt64(counts[.calls]), ordering: .relaxed)
      }
    }
  }

  /// Notes a failed call on the page of a loop.
  package func note(_ call: FailedCall, on loop: any EventLoop) {
    let page = pages[pageOfLoop[ObjectIdentifier(loop)] ?? 0]
    let isNoted = page.failures.withLock { $0.add(call, limit: limits.failures) }
    if !isNoted { lostNotes.wrappingAdd(1, ordering: .relaxed) }
  }

  /// Takes the newest failed calls out, a few of each store and kind.
  package func takeFailures() -> [FailedCall] {
    FailurePage.newest(
      of: pages.map { page in
        page.failures.withLock { failures in
          defer { failures = FailurePage() }
          return failures
        }
      })
  }

  /// Takes all cells out.
  package func take() -> [UsageCell] {
    pages.flatMap { page in
      let cells = page.cells.withLock { cells in
        defer { cells = [:] }
        return cells
      }
      return cells.map { place, entry in
        UsageCell(
          installation: entry.call.store.installation, minute: place.minute,
          key: place.caller == nil ? "" : entry.call.key.id,
          family: place.caller == nil
            ? "" : EndpointFamilies.shared.name(of: entry.call.demand.family.id),
          counts: entry.counts)
      }
    }
  }
}
