import CCurl
import NIOCore
import Reactor

/// All transfers of one event loop: one libcurl multi handle, driven by the loop's sockets and
/// timer.
///
/// Confined to the loop's thread. Every entry goes through `enter`, which makes the call, lets
/// libcurl do what is due, collects what is done and arms the timer.
final class Engine {
  private struct Arrival {
    let order: TransferOrder
    let caller: CurlClient.Completion
  }

  let loop: any EventLoop
  let reactor: Reactor
  let settings: CurlSettings
  private let limits: TransferLimits
  let multi: MultiHandle
  /// The sockets that libcurl has, by descriptor.
  var sockets = DescriptorTable<Socket>()

  private var transfers: [TransferID: EasyHandle] = [:]
  private var idle: [EasyHandle] = []
  private var isShutDown = false
  /// When libcurl wants to be called.
  private var curlDue: NIODeadline?
  /// When the deadlines of the transfers have to be looked at.
  private var scanDue: NIODeadline?
  /// Transfers whose request was refused while it was being sent; seen to after libcurl's call.
  private var refused: [TransferID] = []
  /// Transfers one of whose addresses could not be connected to; seen to after libcurl's call.
  private var betweenAddresses: [TransferID] = []
  private var alarm: (due: NIODeadline, task: Scheduled<Void>)?
  /// Transfers that start at the end of the loop's turn.
  private var arrived: [Arrival] = []
  private var settlesSoon = false
  private let clock = TurnClock()

  /// Whether a call is under way, so that libcurl may not be called again.
  private(set) var isBusy = false

  init(loop: any EventLoop, reactor: Reactor, settings: CurlSettings) throws(CurlError) {
    self.loop = loop
    self.reactor = reactor
    self.settings = settings
    limits = TransferLimits(settings)
    multi = try MultiHandle(settings: settings)
    try multi.setCallbacks(self)
  }

  /// How many transfers are under way.
  var transferCount: Int { transfers.count }

  /// Whether this transfer has not ended.
  func isUnderWay(_ id: TransferID?) -> Bool {
    id.map { transfers[$0] != nil } ?? false
  }

  /// What the transfer runs in; `nil` when it has ended.
  func handle(of id: TransferID) -> EasyHandle? { transfers[id] }

  /// Starts a transfer at the end of the loop's turn, together with others of that turn.
  ///
  /// `caller` is called once, with the answer's head or why there is none.
  func start(
    _ order: TransferOrder, isCancelled: Bool, _ caller: @escaping CurlClient.Completion
  ) {
    guard !isShutDown else { return caller(.failure(.shutDown(sent: false))) }
    guard !isCancelled else { return caller(.failure(.cancelled)) }
    arrived.append(Arrival(order: order, caller: caller))
    if arrived.count == 1 { soon { $0.startAll() } }
  }

  private func startAll() {
    let batch = arrived
    arrived.removeAll(keepingCapacity: true)
    enter {
      for one in batch { begin(one) }
    }
  }

  private func begin(_ one: Arrival) {
    let transfer = Transfer(one.order, limits: limits, clock: clock, caller: one.caller)
    do throws(CurlError) {
      let easy = try idleHandle()
      try easy.prepare(one.order.request)
      easy.transfer = transfer
      transfers[transfer.id] = easy
      do throws(CurlError) {
        try multi.add(easy)
      } catch {
        transfers[transfer.id] = nil
        easy.transfer = nil
        throw error
      }
      noteDeadline(of: easy)
    } catch {
      transfer.end(.failure(error))
    }
  }

  /// Ends a transfer and closes its connection; harmless when it has ended.
  func cancel(_ id: TransferID, _ error: CurlError) {
    if let index = arrived.firstIndex(where: { $0.order.id == id }) {
      return arrived.remove(at: index).caller(.failure(error))
    }
    guard let easy = transfers[id] else { return }
    enter { abort(easy, error) }
  }

  /// The reader has made room.
  func resumeDownload(_ id: TransferID) {
    unpause(id) { $0.resumeDownload() }
  }

  /// The producer has something.
  func resumeUpload(_ id: TransferID) {
    unpause(id) { $0.resumeUpload() }
  }

  /// A watched socket is ready.
  ///
  /// What has ended is collected when all sockets of the loop's turn have been served.
  func socketIsReady(_ fd: Int32, _ events: Int32) {
    precondition(loop.inEventLoop && !isBusy)
    guard !isShutDown else { return }
    isBusy = true
    clock.look()
    multi.act(on: fd, events)
    isBusy = false
    guard !settlesSoon else { return }
    settlesSoon = true
    soon { engine in
      engine.settlesSoon = false
      engine.enter {}
    }
  }

  /// Runs when the loop has done what it is doing.
  private func soon(_ work: @escaping @Sendable (Engine) -> Void) {
    let me = NIOLoopBound(self, eventLoop: loop)
    loop.execute { work(me.value) }
  }

  /// libcurl's timer callback.
  ///
  /// Never calls libcurl: 0 means "right after this".
  func noteTimer(_ milliseconds: Int) {
    curlDue = milliseconds < 0 ? nil : clock.now + .milliseconds(Int64(milliseconds))
  }

  /// Ends all transfers and closes all connections.
  ///
  /// Nothing works afterwards.
  func shutDown() {
    precondition(loop.inEventLoop)
    guard !isShutDown else { return }
    isShutDown = true
    isBusy = true
    for one in arrived { one.caller(.failure(.shutDown(sent: false))) }
    arrived = []
    for easy in transfers.values { abort(easy, .shutDown(sent: true)) }
    isBusy = false
    idle = []
    alarm?.task.cancel()
    alarm = nil
    multi.close()
  }
}

// MARK: The round of every entry

extension Engine {
  private func enter(_ body: () -> Void) {
    precondition(loop.inEventLoop && !isBusy)
    guard !isShutDown else { return }
    isBusy = true
    clock.look()
    body()
    runDueTimers()
    collectDone()
    isBusy = false
    arm()
  }

  /// libcurl sets 0 ms again and again; some rounds of it, then others get a turn.
  private func runDueTimers() {
    for _ in 0..<8 {
      settleRefused()
      goOnToNextAddresses()
      guard let due = curlDue, due <= clock.now else { return }
      curlDue = nil
      multi.actOnTimer()
    }
  }

  private func collectDone() {
    let done = multi.takeDone()
    for item in done {
      guard let transfer = item.easy.transfer else { continue }
      release(item.easy)
      transfer.finish(item.code)
    }
    // Removing a transfer may have let libcurl set its timer: `arm` sees to it.
  }

  /// Ends a transfer in the middle.
  private func abort(_ easy: EasyHandle, _ error: CurlError) {
    guard let transfer = easy.transfer else { return }
    release(easy)
    transfer.end(.failure(error))
  }

  private func idleHandle() throws(CurlError) -> EasyHandle {
    if let easy = idle.popLast() { return easy }
    return try EasyHandle(settings: settings, engine: self)
  }

  private func release(_ easy: EasyHandle) {
    guard let transfer = easy.transfer else { return }
    multi.remove(easy)
    transfers[transfer.id] = nil
    easy.transfer = nil
    // libcurl 7.88 counts tries over a handle's life and gives up at five; such a handle goes.
    if transfer.attempts <= 1 && idle.count < settings.maxConnectionsPerLoop { idle.append(easy) }
  }

  private func unpause(_ id: TransferID, _ resume: (Transfer) -> Bool) {
    clock.look()
    guard let easy = transfers[id], let transfer = easy.transfer, resume(transfer) else { return }
    enter { unpause(easy, transfer) }
  }

  private func unpause(_ easy: EasyHandle, _ transfer: Transfer) {
    do throws(CurlError) {
      // Calls the write callback before it returns.
      try easy.unpause(transfer)
    } catch {
      release(easy)
      transfer.finish(CURLE_WRITE_ERROR)
    }
    noteDeadline(of: easy)
  }

  /// Keeps libcurl from waiting for the rest of a request that nobody wants.
  ///
  /// libcurl stops sending by itself, unless the answer says `Connection: close`; and in either
  /// case a paused upload would keep the transfer from ending.
  private func settleRefused() {
    while let id = refused.popLast() {
      guard let easy = transfers[id], let transfer = easy.transfer else { continue }
      if transfer.isAnswerComplete {
        release(easy)
        transfer.finish(CURLE_OK)
      } else if transfer.resumeUpload() {
        unpause(easy, transfer)
      }
    }
  }
}

// MARK: Several addresses

extension Engine {
  /// libcurl has given up one address of the transfer; from within a callback.
  func noteFailedAddress(of transfer: TransferID) { betweenAddresses.append(transfer) }

  private func goOnToNextAddresses() {
    while let id = betweenAddresses.popLast() {
      // A request that began to leave has a connection, or had one: only libcurl's own result says
      // what became of it.
      guard let easy = transfers[id], let transfer = easy.transfer, transfer.attempts == 0 else {
        continue
      }
      // Refused when libcurl has ended the transfer: its result is there and is collected next.
      _ = easy.nudge(transfer)
    }
  }
}

// MARK: Deadlines

extension Engine {
  /// Deadlines are looked at this late at most, and so seldom at least.
  private static let grain = TimeAmount.milliseconds(5)

  /// A transfer may have got an earlier deadline than before.
  func noteDeadline(of easy: EasyHandle) {
    guard let transfer = easy.transfer,
      case .next(let next) = transfer.verdict(now: .uptimeNanoseconds(0))
    else { return }
    scanDue = min(scanDue ?? .distantFuture, next)
  }

  /// The answer to a request that is still being sent goes on; from within a callback.
  func noteRefused(_ transfer: Transfer) {
    refused.append(transfer.id)
  }

  private func scan() {
    let now = clock.now
    guard let due = scanDue, due <= now else { return }
    var next = NIODeadline.distantFuture
    var expired: [(EasyHandle, CurlError)] = []
    for easy in transfers.values {
      guard let transfer = easy.transfer else { continue }
      switch transfer.verdict(now: now) {
      case .expired(let error): expired.append((easy, error))
      case .next(let deadline): next = min(next, deadline)
      }
    }
    scanDue = next == .distantFuture ? nil : max(next, now + Self.grain)
    for (easy, error) in expired { abort(easy, error) }
  }

  /// Sets the loop's timer, unless it is set early enough.
  private func arm() {
    guard let due = curlDue.map({ min($0, scanDue ?? $0) }) ?? scanDue else { return }
    if let alarm {
      if alarm.due <= due { return }
      alarm.task.cancel()
    }
    let me = NIOLoopBound(self, eventLoop: loop)
    alarm = (due, loop.scheduleTask(deadline: due) { me.value.alarmWentOff() })
  }

  private func alarmWentOff() {
    alarm = nil
    enter { scan() }
  }
}

/// The time at which libcurl was last called: asking the kernel at every line of every answer costs
/// more than reading the line.
final class TurnClock {
  private(set) var now = NIODeadline.now()

  func look() { now = .now() }
}
