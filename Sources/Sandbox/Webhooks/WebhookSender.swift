import Base
import DequeModule
import NIOCore
import NIOSSL

/// Delivers events to webhooks as the platform does, or as badly as it is told to.
///
/// All of it runs on one event loop; others reach it through ``WebhookOffice``.
final class WebhookSender {
  let loop: any EventLoop
  let clock: WallClock
  let blocklist: Blocklist
  let text: RandomText
  /// An app's client secret; `nil` when there is no such app.
  private let secret: @Sendable (String) -> String?
  private let trustFile: String?
  let pendingLimit: Int
  var settings: WebhookSettings
  var ledger: DeliveryLedger
  var retries = RetryQueue()
  var delayed = DelayQueue<Delayed>()
  var held: [String: Held] = [:]
  var volleys: [Volley] = []
  var notices: [JSONValue] = []
  /// When an app was last told that a destination fails, by app and destination.
  var lastWarnings: [String: Timestamp] = [:]
  private var lanes: [Lane.Key: Lane] = [:]
  private var signature = WebhookSignature()
  private var tls: NIOSSLContext?
  private var alarm: (due: Timestamp, task: Scheduled<Void>)?
  private var sweep: Scheduled<Void>?
  var beat: Scheduled<Void>?
  private var isStopped = false

  init(
    _ configuration: SandboxConfiguration, loop: any EventLoop, blocklist: Blocklist,
    text: RandomText, secret: @escaping @Sendable (String) -> String?
  ) {
    self.loop = loop
    self.blocklist = blocklist
    self.text = text
    self.secret = secret
    clock = configuration.clock
    trustFile = configuration.trustFile
    pendingLimit = configuration.webhookPending
    settings = WebhookSettings(configuration)
    ledger = DeliveryLedger(
      limit: configuration.webhookHistory, idPrefix: "msg_" + text.word(14) + "_")
  }

  /// Drops everything; answers that still come are not heard.
  func stop() {
    isStopped = true
    for lane in lanes.values { for connection in lane.idle { connection.close() } }
    lanes = [:]
    retries = RetryQueue()
    delayed = DelayQueue()
    held = [:]
    volleys = []
    for task in [alarm?.task, sweep, beat] { task?.cancel() }
  }

  /// Queues a delivery for its next attempt.
  func enqueue(_ delivery: Delivery) {
    guard let hook = hook(of: delivery), let target = hook.target else {
      giveUp(delivery)
      return
    }
    let key = Lane.Key(target)
    let lane = lanes[key] ?? Lane(key)
    lanes[key] = lane
    lane.waiting.append(delivery)
    serve(lane)
  }

  private func serve(_ lane: Lane) {
    while lane.busy < settings.connections, let delivery = lane.waiting.popFirst() {
      attempt(delivery, on: lane)
    }
  }

  /// The webhook as it is now, if it still wants the delivery.
  private func hook(of delivery: Delivery) -> HookTarget? {
    let hook = delivery.event.store.withHooks { $0.hookTarget(delivery.hook) }
    return hook?.isActive == true ? hook : nil
  }

  private func attempt(_ delivery: Delivery, on lane: Lane) {
    guard delivery.isCopy || ledger.isPending(delivery) else { return }
    guard let hook = hook(of: delivery), let target = hook.target,
      let secret = secret(hook.clientID)
    else { return giveUp(delivery) }
    guard Lane.Key(target) == lane.key else { return enqueue(delivery) }
    var delivery = delivery
    delivery.attempts += 1
    let now = clock.now()
    let domain = Blocklist.Key(domain: target.authority, clientID: hook.clientID)
    if blocklist.isBlocked(domain, at: now) {
      return conclude(delivery, hook, AttemptOutcome(.blocked), sent: now, took: .zero)
    }
    if settings.faults.take(.dead, for: delivery.event) != nil {
      return conclude(delivery, hook, AttemptOutcome(.dead), sent: now, took: .zero)
    }
    let request = WebhookRequest(
      delivery.event, to: hook, at: target, secret: secret, now: now, signature: &signature,
      faults: &settings.faults)
    send(
      Exchange(
        delivery: delivery, hook: hook, target: target, request: request, sent: now,
        started: .now()), on: lane)
  }

  private func send(_ exchange: Exchange, on lane: Lane) {
    lane.busy += 1
    if let connection = lane.idle.popLast() {
      connection.send(exchange)
      return
    }
    let connection = WebhookConnection(
      lane: lane, owner: self, timeout: TimeAmount(settings.timeout))
    do {
      if exchange.target.isTLS, tls == nil { tls = try OutboundClient.tls(trustFile: trustFile) }
      connection.open(exchange, on: loop, tls: exchange.target.isTLS ? tls : nil)
    } catch {
      judge(exchange, AttemptOutcome(.tls))
      lane.busy -= 1
    }
  }
}

extension WebhookSender: WebhookConnection.Owner {
  func judge(_ exchange: Exchange, _ outcome: AttemptOutcome) {
    guard !isStopped else { return }
    let took = Duration.nanoseconds((NIODeadline.now() - exchange.started).nanoseconds)
    conclude(exchange.delivery, exchange.hook, outcome, sent: exchange.sent, took: took)
  }

  func finish(_ connection: WebhookConnection, isReusable: Bool) {
    guard !isStopped else { return connection.close() }
    let lane = connection.lane
    lane.busy -= 1
    if isReusable { lane.idle.append(connection) }
    serve(lane)
    if !lane.idle.isEmpty { armSweep() }
  }

  func forget(_ connection: WebhookConnection) {
    connection.lane.idle.removeAll { $0 === connection }
  }

  /// Closes connections that had nothing to do for a second, before the other side does so.
  private func armSweep() {
    guard sweep == nil else { return }
    sweep = loop.assumeIsolated().scheduleTask(in: .seconds(1)) { [weak self] in
      self?.closeIdle()
    }
  }

  private func closeIdle() {
    sweep = nil
    let limit = NIODeadline.now() - .seconds(1)
    for lane in lanes.values {
      let stale = lane.idle.prefix { $0.idleSince <= limit }
      lane.idle.removeFirst(stale.count)
      for connection in stale { connection.close() }
    }
    lanes = lanes.filter {
      !$0.value.idle.isEmpty || $0.value.busy > 0 || !$0.value.waiting.isEmpty
    }
    if lanes.values.contains(where: { !$0.idle.isEmpty }) { armSweep() }
  }
}

extension WebhookSender {
  /// Sets the alarm for what is due next.
  func arm() {
    let dues = [retries.nextDue(speed: settings.speed), delayed.nextDue]
    guard let due = dues.compactMap({ $0 }).min() else { return }
    if let alarm, alarm.due <= due { return }
    alarm?.task.cancel()
    let wait = max(.zero, due - clock.now()) + .microseconds(1)
    alarm = (
      due,
      loop.assumeIsolated().scheduleTask(in: TimeAmount(wait)) { [weak self] in
        self?.alarm = nil
        self?.release()
      }
    )
  }

  /// Sets the alarm anew, because the speed has changed.
  func rearm() {
    alarm?.task.cancel()
    alarm = nil
    release()
  }

  /// Sends what is due by now.
  func release() {
    let now = clock.now()
    for delivery in retries.takeDue(at: now, speed: settings.speed) { schedule(delivery) }
    for item in delayed.takeDue(at: now) { release(item) }
    arm()
  }

  /// Sends everything that waits for its time, as if it were due.
  func flush() -> Int {
    let retried = retries.takeAll()
    let late = delayed.takeAll()
    for delivery in retried { enqueue(delivery) }
    for item in late { release(item) }
    return retried.count + late.count
  }
}
