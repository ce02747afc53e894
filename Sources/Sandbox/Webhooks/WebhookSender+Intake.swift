import Base
import NIOCore

/// A delivery that overtakes nothing until later ones have passed it.
struct Held {
  let delivery: Delivery
  /// Later ones of the store that still pass.
  var toPass: Int64
}

/// What a fault has put off.
enum Delayed {
  case send(Delivery)
  /// The delivery that is held in a store, if it is still this one.
  case letGo(store: String, delivery: Int)
}

extension WebhookSender {
  /// Makes an event of it and begins its deliveries; how many.
  @discardableResult
  func accept(_ occurrence: Occurrence) -> Int {
    let hooks = occurrence.hooks.filter { occurrence.at - $0.created >= settings.activation }
    guard !hooks.isEmpty else { return 0 }
    let (number, id) = ledger.nextID()
    let event = WebhookEvent(number: number, id: id, occurrence: occurrence)
    for hook in hooks { begin(event, hook) }
    return hooks.count
  }

  private func begin(_ event: WebhookEvent, _ hook: HookTarget) {
    guard ledger.counts[.pending] < pendingLimit else { return ledger.refuse() }
    let isLost = settings.faults.take(.lose, for: event) != nil
    let number = ledger.add(event, hook: hook.id, isLost ? .lost : .pending)
    guard !isLost else { return }
    let delivery = Delivery(
      event: event, number: number, hook: hook.id, clientID: hook.clientID)
    hold(delivery) ? () : dispatch(delivery)
  }

  /// Keeps the delivery back when a fault says so and none of its store is kept back already.
  private func hold(_ delivery: Delivery) -> Bool {
    let store = delivery.event.store.hash
    guard held[store] == nil, let fault = settings.faults.take(.reorder, for: delivery.event)
    else { return false }
    held[store] = Held(delivery: delivery, toPass: fault.amount)
    delayed.add(.letGo(store: store, delivery: delivery.number), due: clock.now() + fault.delay)
    arm()
    return true
  }

  private func dispatch(_ delivery: Delivery) {
    let copies = settings.faults.take(.duplicate, for: delivery.event)?.amount ?? 0
    schedule(delivery)
    for _ in 0..<max(0, copies) {
      var copy = delivery
      copy.isCopy = true
      schedule(copy)
    }
    let store = delivery.event.store.hash
    held[store]?.toPass -= 1
    if let waiting = held[store], waiting.toPass <= 0 {
      held[store] = nil
      schedule(waiting.delivery)
    }
  }

  /// Queues a delivery for its next attempt, late when a fault says so.
  func schedule(_ delivery: Delivery) {
    guard let fault = settings.faults.take(.delay, for: delivery.event) else {
      return enqueue(delivery)
    }
    delayed.add(.send(delivery), due: clock.now() + fault.delay)
    arm()
  }

  func release(_ item: Delayed) {
    switch item {
    case .send(let delivery): enqueue(delivery)
    case .letGo(let store, let number):
      guard let waiting = held[store], waiting.delivery.number == number else { return }
      held[store] = nil
      schedule(waiting.delivery)
    }
  }
}
