import Base

extension WebhookSender {
  /// Writes an attempt down and draws the consequences.
  func conclude(
    _ delivery: Delivery, _ hook: HookTarget, _ outcome: AttemptOutcome, sent: Timestamp,
    took: Duration
  ) {
    ledger.note(delivery, outcome, sent: sent, took: took)
    let now = clock.now()
    let store = delivery.event.store
    store.withHooks { $0.hookUse[hook.id]?.lastOutcome = outcome.text }
    if outcome.failure != .blocked { count(outcome, hook, store, at: now) }
    if outcome.isSuccess {
      ledger.settle(delivery, .acknowledged)
    } else if !delivery.isCopy, ledger.isPending(delivery) {
      retry(delivery, hook, at: now)
    }
  }

  /// The webhook is gone or switched off, or the ladder has come to its end.
  func giveUp(_ delivery: Delivery) {
    guard !delivery.isCopy else { return }
    ledger.settle(delivery, .givenUp)
  }

  private func retry(_ delivery: Delivery, _ hook: HookTarget, at now: Timestamp) {
    let store = delivery.event.store
    guard retries.add(delivery, failed: now) else {
      giveUp(delivery)
      guard store.withHooks({ $0.deactivateHook(hook.id, at: now) }) else { return }
      notify("deactivated", hook, store, at: now)
      raise(.exhausted, about: hook, in: store, at: now)
      return
    }
    arm()
    let key = hook.clientID + " " + hook.destination
    let pause = Duration.microseconds(Int64(600_000_000 / settings.speed))
    if let last = lastWarnings[key], now - last < pause { return }
    if lastWarnings.count >= 10_000 { lastWarnings = [:] }
    lastWarnings[key] = now
    raise(.willRetry, about: hook, in: store, at: now)
  }

  private func count(
    _ outcome: AttemptOutcome, _ hook: HookTarget, _ store: Store, at now: Timestamp
  ) {
    guard let domain = hook.target?.authority else { return }
    let failure = outcome.isSuccess ? nil : outcome.text
    let key = Blocklist.Key(domain: domain, clientID: hook.clientID)
    guard blocklist.record(key, failure: failure, at: now) else { return }
    notify("blocked", hook, store, at: now)
    raise(.blocked, about: hook, in: store, at: now)
  }

  /// The notices that BigCommerce would send by mail; the last hundred are kept.
  private func notify(_ kind: String, _ hook: HookTarget, _ store: Store, at now: Timestamp) {
    if notices.count >= 100 { notices.removeFirst() }
    notices.append([
      "kind": .string(kind), "at": .string(now.description), "client_id": .string(hook.clientID),
      "store_hash": .string(store.hash), "hook_id": .integer(hook.id),
      "destination": .string(hook.destination),
      "emails": .array(store.withHooks { $0.hookEmails }.map { .string($0) }),
    ])
  }
}

/// What a delivery-exception webhook is told.
private enum DeliveryException: Int {
  case willRetry = 90001
  case exhausted = 90002
  case blocked = 90003

  var message: String {
    switch self {
    case .willRetry: "Delivery failed and will be tried again"
    case .exhausted: "All attempts failed; the webhook was deactivated"
    case .blocked: "The destination was blocked because too many deliveries failed"
    }
  }
}

extension WebhookSender {
  /// Tells the app's delivery-exception webhook in that store, if there is one.
  private func raise(
    _ exception: DeliveryException, about hook: HookTarget, in store: Store, at now: Timestamp
  ) {
    guard hook.scope != WebhookScope.deliveryException else { return }
    let listeners = store.withHooks { data in
      data.listeners(to: WebhookScope.deliveryException, at: now)
        .filter { $0.clientID == hook.clientID }
    }
    let data: JSONValue = [
      "type": "webhook", "id": .integer(hook.id), "error_code": .integer(exception.rawValue),
      "message": .string(exception.message),
    ]
    accept(
      Occurrence(
        store: store, happening: Happening(scope: WebhookScope.deliveryException, data: data),
        at: now, hooks: listeners))
  }
}
