import Base
import Synchronization

/// What came of an act on one store.
struct BulkResult: Hashable, Sendable {
  let store: StoreName
  let word: String
  let isGood: Bool
}

/// An act on many stores, as far as it is.
struct BulkProgress: Sendable {
  let title: String
  let requestID: RequestID
  let total: Int
  fileprivate(set) var results: [BulkResult] = []

  var isDone: Bool { results.count == total }
}

/// Acts on many stores that this replica has under way or lately had.
///
/// Each goes on to its end, whether somebody looks or not; what it has done stands in the audit trail. Nothing
/// of it outlives the process.
final class BulkJobs: Sendable {
  /// So many are kept, those under way and the last that ended.
  static let most = 64
  static let mostUnderWay = 8
  /// Stores at a time, for each act.
  private static let width = 4

  fileprivate struct Job: Sendable {
    let owner: String
    let number: Int
    var progress: BulkProgress
  }

  fileprivate struct State: Sendable {
    var jobs: [String: Job] = [:]
    var begun = 0
  }

  private let state = Mutex(State())
  private let random: RandomSource

  init(random: RandomSource = .system) {
    self.random = random
  }

  /// Begins an act on stores, one call of `work` for each; its owner may see how far it is.
  ///
  /// - Returns: the act's ID; `nil` when too many are under way.
  func begin(
    _ title: String, of owner: String, on stores: [StoreName], _ requestID: RequestID,
    _ work: @escaping @Sendable (StoreName) async -> BulkResult
  ) -> String? {
    let id = Hex.encode(random.bytes(12))
    let isTaken = state.withLock { state in
      guard state.jobs.values.count(where: { !$0.progress.isDone }) < Self.mostUnderWay else {
        return false
      }
      state.makeRoom()
      state.begun += 1
      state.jobs[id] = Job(
        owner: owner, number: state.begun,
        progress: BulkProgress(title: title, requestID: requestID, total: stores.count))
      return true
    }
    guard isTaken else { return nil }
    // Not structured: the request that begins it is answered long before it ends.
    Task { await self.run(id, stores, work) }
    return id
  }

  /// How far an act is; `nil` for one that this replica does not know, or that is another's.
  func progress(_ id: String, of owner: String) -> BulkProgress? {
    state.withLock { state in
      guard let job = state.jobs[id], job.owner == owner else { return nil }
      return job.progress
    }
  }

  private func run(
    _ id: String, _ stores: [StoreName], _ work: @escaping @Sendable (StoreName) async -> BulkResult
  ) async {
    await withTaskGroup(of: BulkResult.self) { group in
      var rest = stores[...]
      for _ in 0..<Self.width {
        guard let store = rest.popFirst() else { break }
        group.addTask { await work(store) }
      }
      while let result = await group.next() {
        state.withLock { $0.jobs[id]?.progress.results.append(result) }
        if let store = rest.popFirst() { group.addTask { await work(store) } }
      }
    }
  }
}

extension BulkJobs.State {
  /// Forgets the oldest that ended, so that one more has room.
  fileprivate mutating func makeRoom() {
    while jobs.count >= BulkJobs.most {
      let ended = jobs.filter { $0.value.progress.isDone }
      guard let oldest = ended.min(by: { $0.value.number < $1.value.number }) else { return }
      jobs[oldest.key] = nil
    }
  }
}
