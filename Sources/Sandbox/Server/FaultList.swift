import Base
import NIOHTTP1
import Synchronization

/// The faults in force, oldest first; the first that meets a request is carried out.
final class FaultList: Sendable {
  private struct State {
    var faults: [Fault] = []
    var nextID = 1
  }

  private let state = Mutex(State())
  private let isEmpty = Atomic(true)

  /// The fault that meets this request; counts it as met.
  func take(for request: SandboxRequest) -> Fault? {
    guard !isEmpty.load(ordering: .acquiring), let place = RequestPlace(path: request.path) else {
      return nil
    }
    return state.withLock { state in
      for index in state.faults.indices
      where state.faults[index].match.meets(method: request.method.rawValue, place: place) {
        if state.faults[index].skip > 0 {
          state.faults[index].skip -= 1
          continue
        }
        if let remaining = state.faults[index].remaining, remaining <= 0 { continue }
        guard state.faults[index].chance?.falls() != false else { continue }
        state.faults[index].remaining? -= 1
        state.faults[index].hits += 1
        return state.faults[index]
      }
      return nil
    }
  }

  /// Adds what the order describes and returns it as it is listed.
  func add(_ order: JSONValue) throws(ControlError) -> JSONValue {
    let result: Result<JSONValue, ControlError> = state.withLock { state in
      do throws(ControlError) {
        guard state.faults.count < 1000 else { throw .invalid("1000 faults are in force already") }
        let fault = try Fault(id: state.nextID, order: order)
        state.nextID += 1
        state.faults.append(fault)
        isEmpty.store(false, ordering: .releasing)
        return .success(fault.listed)
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  var listed: JSONValue { .array(state.withLock { $0.faults.map(\.listed) }) }

  /// Whether there was one with that ID.
  func remove(_ id: Int) -> Bool {
    state.withLock { state in
      let before = state.faults.count
      state.faults.removeAll { $0.id == id }
      isEmpty.store(state.faults.isEmpty, ordering: .releasing)
      return state.faults.count < before
    }
  }

  func removeAll() {
    state.withLock { state in
      state.faults = []
      isEmpty.store(true, ordering: .releasing)
    }
  }
}

extension Fault {
  /// The order with its ID, how often it was met, and how often it still will be.
  var listed: JSONValue {
    order.setting("id", .integer(id)).setting("hits", .integer(hits))
      .setting("remaining", remaining.map { .integer($0) } ?? .null)
  }
}
