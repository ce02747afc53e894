import NIOCore
import Synchronization

/// Tells the work for a request that its client has gone.
///
/// One per connection, used for one request after the other.
final class ClientPresence: Sendable {
  private struct State {
    var isGone = false
    var act: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  /// Calls `act` once when the client goes away; at once when it has gone.
  func whenGone(_ act: @escaping @Sendable () -> Void) {
    let isGone = state.withLock { state in
      if !state.isGone { state.act = act }
      return state.isGone
    }
    if isGone { act() }
  }

  /// The request is over; nobody wants to be told any more.
  func forget() {
    state.withLock { $0.act = nil }
  }

  func leave() {
    let act = state.withLock { state in
      state.isGone = true
      defer { state.act = nil }
      return state.act
    }
    act?()
  }
}

/// The connections of a listener, found by their channel.
final class ClientRegister: Sendable {
  private let clients = Mutex<[ObjectIdentifier: ClientPresence]>([:])

  var count: Int { clients.withLock { $0.count } }

  func enter(_ channel: any Channel) {
    clients.withLock { clients in
      if clients[ObjectIdentifier(channel)] == nil {
        clients[ObjectIdentifier(channel)] = ClientPresence()
      }
    }
  }

  func leave(_ channel: any Channel) {
    clients.withLock { $0.removeValue(forKey: ObjectIdentifier(channel)) }?.leave()
  }

  func presence(of channel: any Channel) -> ClientPresence? {
    clients.withLock { $0[ObjectIdentifier(channel)] }
  }
}
