import Synchronization

/// Bounds the calls that this replica holds at a time over all stores: those that wait for quota,
/// those under way, and those whose body still streams.
///
/// A store, and a caller, may hold less than twice what is still free. So whoever is alone gets two
/// thirds of the places, two get two fifths each, and someone who holds nothing finds a place
/// until the last one is gone. Three counters decide, in constant time and without a lock.
package final class CallAdmission: Sendable {
  /// Who holds too many calls for one more.
  package enum Refusal: String, Error, CaseIterable, Sendable {
    /// The replica holds as many as it may.
    case replica
    /// The store has more than its share of the places.
    case store
    /// The caller has more than its share of the places.
    case caller
  }

  /// How many times what is free one store or one caller may hold.
  private static let share = 2

  /// The most calls at a time.
  package let limit: Int
  private let calls = Atomic<Int>(0)
  private let refusedByReplica = Atomic<UInt64>(0)
  private let refusedByStore = Atomic<UInt64>(0)
  private let refusedByCaller = Atomic<UInt64>(0)

  package init(limit: Int) {
    self.limit = limit
  }

  /// Calls that are held now.
  package var held: Int { calls.load(ordering: .relaxed) }

  /// Calls that got no place since the start.
  package func refused(_ reason: Refusal) -> UInt64 {
    switch reason {
    case .replica: refusedByReplica.load(ordering: .relaxed)
    case .store: refusedByStore.load(ordering: .relaxed)
    case .caller: refusedByCaller.load(ordering: .relaxed)
    }
  }

  /// Gives a call a place; nothing is held for one that gets none.
  package func admit(
    _ store: StoreActivity, _ caller: KeyActivity
  ) throws(Refusal) -> HeldCall {
    let call = HeldCall(admission: self, store: store, caller: caller)
    let free = limit - (calls.add(1, ordering: .relaxed).oldValue)
    let ofStore = store.held.add(1, ordering: .relaxed).oldValue
    let ofCaller = caller.held.add(1, ordering: .relaxed).oldValue
    let refusal: Refusal
    if free <= 0 {
      refusal = .replica
      refusedByReplica.add(1, ordering: .relaxed)
    } else if ofStore >= Self.share * free {
      refusal = .store
      refusedByStore.add(1, ordering: .relaxed)
    } else if ofCaller >= Self.share * free {
      refusal = .caller
      refusedByCaller.add(1, ordering: .relaxed)
    } else {
      return call
    }
    // `call` ends here and gives back what was counted.
    throw refusal
  }

  fileprivate func release(_ store: StoreActivity, _ caller: KeyActivity) {
    calls.subtract(1, ordering: .relaxed)
    store.held.subtract(1, ordering: .relaxed)
    caller.held.subtract(1, ordering: .relaxed)
  }
}

/// A place among the calls that the replica holds; it is free again when this goes away.
package struct HeldCall: ~Copyable, Sendable {
  private let admission: CallAdmission
  private let store: StoreActivity
  private let caller: KeyActivity

  fileprivate init(admission: CallAdmission, store: StoreActivity, caller: KeyActivity) {
    self.admission = admission
    self.store = store
    self.caller = caller
  }

  deinit { admission.release(store, caller) }
}
