import Base
import Testing

@testable import Upstream

@Suite struct `Calls held by a replica` {
  private let store = StoreActivity()
  private let caller = KeyActivity()

  /// Takes places until there is none for this store and caller.
  private func fill(
    _ admission: CallAdmission, _ store: () -> StoreActivity, _ caller: () -> KeyActivity
  ) -> (places: Places, refusal: CallAdmission.Refusal) {
    let places = Places()
    while true {
      do throws(CallAdmission.Refusal) {
        places.add(try admission.admit(store(), caller()))
      } catch {
        return (places, error)
      }
    }
  }

  /// Calls that are held until this goes away.
  private final class Places {
    private struct Link: ~Copyable {
      let call: HeldCall
      let next: Box?
    }

    private final class Box {
      let link: Link
      init(_ link: consuming Link) { self.link = link }
    }

    private(set) var count = 0
    private var last: Box?

    func add(_ call: consuming HeldCall) {
      last = Box(Link(call: call, next: last))
      count += 1
    }
  }

  @Test func `a store that is alone gets two thirds of the places`() throws {
    let admission = CallAdmission(limit: 300)
    let (places, refusal) = fill(admission, { store }, { KeyActivity() })
    #expect(places.count == 200)
    #expect(refusal == .store)
    #expect(admission.held == 200 && store.heldCalls == 200)
    #expect(admission.refused(.store) == 1 && admission.refused(.replica) == 0)
  }

  @Test func `a caller of many stores gets two thirds of the places`() throws {
    let admission = CallAdmission(limit: 300)
    let (places, refusal) = fill(admission, { StoreActivity() }, { caller })
    #expect(places.count == 200)
    #expect(refusal == .caller)
  }

  @Test func `those who hold least find places while those who hold most are refused`() throws {
    let admission = CallAdmission(limit: 300)
    let flood = fill(admission, { store }, { caller })
    var quiet: [Places] = []
    for _ in 0..<50 {
      let places = Places()
      places.add(try admission.admit(StoreActivity(), KeyActivity()))
      quiet.append(places)
      #expect(throws: CallAdmission.Refusal.store) { _ = try admission.admit(store, caller) }
    }
    #expect(flood.places.count + quiet.count == admission.held)
  }

  @Test func `two that flood come to have the same`() throws {
    let admission = CallAdmission(limit: 500)
    let (other, another) = (StoreActivity(), KeyActivity())
    var first: [Places] = []
    // The first fills its share before the second comes; as its calls end, the second grows.
    while let one = place(admission, store, caller) { first.append(one) }
    var second: [Places] = []
    for _ in 0..<1000 {
      while let one = place(admission, other, another) { second.append(one) }
      if !first.isEmpty { first.removeLast() }
      if let one = place(admission, store, caller) { first.append(one) }
    }
    #expect(abs(first.count - 200) <= 2 && abs(second.count - 200) <= 2)
  }

  private func place(
    _ admission: CallAdmission, _ store: StoreActivity, _ caller: KeyActivity
  ) -> Places? {
    guard let call = try? admission.admit(store, caller) else { return nil }
    let places = Places()
    places.add(call)
    return places
  }

  @Test func `the bound over all holds for callers and stores that hold nothing`() throws {
    let admission = CallAdmission(limit: 64)
    let (places, refusal) = fill(admission, { StoreActivity() }, { KeyActivity() })
    #expect(places.count == 64)
    #expect(refusal == .replica)
    #expect(admission.refused(.replica) == 1)
  }

  @Test func `what is given back is free again`() throws {
    let admission = CallAdmission(limit: 10)
    do {
      let (places, _) = fill(admission, { store }, { caller })
      #expect(admission.held == places.count)
    }
    #expect(admission.held == 0 && store.heldCalls == 0)
    #expect(caller.heldCalls == 0)
  }

  @Test func `calls that come at once from many threads leave nothing behind`() async throws {
    let admission = CallAdmission(limit: 20)
    await withTaskGroup(of: Int.self) { group in
      for _ in 0..<8 {
        group.addTask { [store, caller] in
          var most = 0
          for _ in 0..<20_000 {
            do throws(CallAdmission.Refusal) {
              let call = try admission.admit(store, caller)
              most = max(most, admission.held)
              _ = consume call
            } catch {
              continue
            }
          }
          return most
        }
      }
      // A call that is refused is counted for a moment: one per thread at most.
      for await most in group { #expect(most <= 20 + 8) }
    }
    #expect(admission.held == 0 && store.heldCalls == 0)
  }
}
