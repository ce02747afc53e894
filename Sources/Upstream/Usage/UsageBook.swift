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

  private struct Cell {
    let place: Place
    let call: CallTags
    var counts: UsageCounts
  }

  /// Cells in one array, by place: what is found in a dictionary is moved out and back to be
  /// changed.
  private struct Cells {
    private(set) var all: [Cell] = []
    private var indices: [Place: Int] = [:]

    /// - Returns: whether there is that cell.
    mutating func add(_ counts: UsageCounts, at place: Place) -> Bool {
      guard let index = indices[place] else { return false }
      all[index].counts.add(counts)
      return true
    }

    mutating func append(_ call: CallTags, _ counts: UsageCounts, at place: Place) {
      indices[place] = all.count
      all.append(Cell(place: place, call: call, counts: counts))
    }
  }

  private final class Page: Sendable {
    let cells = Mutex(Cells())
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
  package var cells: Int { pages.reduce(0) { sum, page in sum + page.cells.withLock(\.all.count) } }

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
      if cells.add(counts, at: full) { return }
      if cells.all.count < limits.detailed { return cells.append(call, counts, at: full) }
      let coarse = Place(minute: minute, store: store, caller: nil, family: 0)
      if cells.add(counts, at: coarse) { return }
      if cells.all.count < limits.all {
        cells.append(call, counts, at: coarse)
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
        defer { cells = Cells() }
        return cells.all
      }
      return cells.map { cell in
        UsageCell(
          installation: cell.call.store.installation, minute: cell.place.minute,
          key: cell.place.caller == nil ? "" : cell.call.key.id,
          family: cell.place.caller == nil
            ? "" : EndpointFamilies.shared.name(of: cell.call.demand.family.id),
          counts: cell.counts)
      }
    }
  }
}
