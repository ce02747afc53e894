import Base
import NIOCore
import NIOTLS

/// The first handler of a connection: lets one well-formed request at a time through to the
/// decoder.
///
/// It sees bytes, so it knows what was sent, when, and what is still to be read by the client.
/// Further requests of the connection wait here until the answer is complete: order, limits and the
/// drain need no other bookkeeping.
final class ByteGuard: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  enum Phase {
    /// Waits for a head or collects it.
    case head
    /// The head has passed, its body comes.
    case body(BodyScanner)
    /// The request has passed, its answer is being made.
    case answering
    /// Our last bytes are on their way; what comes is thrown away.
    case finishing
    /// The client has been told that nothing follows; it has until the deadline to close.
    case lingering(NIODeadline)
    case closed
  }

  let state: ListenerState
  let connection: Connection
  /// The short way of requests on this loop, if the listener has one.
  let lane: LoopLane?
  /// Whether the request that is being served went that way.
  var isInLane = false
  /// Whether the last call in the lane was refused by us.
  var wasRefused = false
  /// Over the cap: answered 503 at once.
  let isSurplus: Bool
  var phase = Phase.head
  var head = RequestHead()
  var scanner = HeadScanner()
  var pending = ByteBuffer()
  var context: ChannelHandlerContext?
  var answerHeadIsOut = false
  var isQuiescing = false
  var inputIsClosed = false
  var requestsServed = 0
  var clock = GuardClock()
  var writing = WriteWatch()
  /// Whether nobody has looked yet if the client took its last answer out of the kernel.
  var answerMayWait = false
  var writingCheck = NIODeadline.now()
  var timer: (at: NIODeadline, task: Scheduled<Void>)?
  /// Bytes of the body that have passed, and whether a handler has asked for it.
  private var bodyPassed = 0
  var bodyIsWanted = false
  private var isProcessing = false
  private var readIsHeld = false
  /// Whether something was passed on since the last end of a read.
  private var hasPassedOn = false

  init(state: ListenerState, connection: Connection, isSurplus: Bool) {
    self.state = state
    self.connection = connection
    self.isSurplus = isSurplus
    lane = state.lanes?[connection.loop]
  }

  var limits: GuardLimits { state.limits }

  // MARK: Life

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    clock.idleSince = .now()
    clock.handshakeSince = state.usesTLS ? .now() : nil
    if context.channel.isActive { begin() }
  }

  func channelActive(context: ChannelHandlerContext) {
    context.fireChannelActive()
    begin()
  }

  private func begin() {
    clock.idleSince = .now()
    if isSurplus {
      refuse(.overloaded)
    } else {
      rearm()
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    end()
    self.context = nil
  }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  /// Ends all bookkeeping; the connection is gone.
  private func end() {
    if case .closed = phase { return }
    if isServing {
      state.counters.requestEnded()
      state.counters.count(.gone)
    }
    phase = .closed
    timer?.task.cancel()
    timer = nil
    pending = ByteBuffer()
    connection.markGone()
  }

  /// Whether a request has passed whose answer is not complete.
  var isServing: Bool {
    switch phase {
    case .body, .answering: true
    case .head, .finishing, .lingering, .closed: false
    }
  }

  // MARK: Coming in

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    clock.readArrived()
    switch phase {
    case .finishing, .lingering, .closed: return
    case .head, .body, .answering: break
    }
    if pending.readableBytes == 0 {
      pending = bytes
    } else {
      pending.writeBuffer(&bytes)
    }
    process()
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    endPassingOn(context)
    switch phase {
    // Nobody else asks for bytes any more, and the client's end must be seen.
    case .finishing, .lingering: context.read()
    case .head, .body, .answering, .closed: break
    }
  }

  func read(context: ChannelHandlerContext) {
    if holdsReads {
      readIsHeld = true
      return
    }
    clock.readWanted()
    if case .body = phase { rearm() }
    context.read()
  }

  /// Whether enough is here of what nobody is ready for.
  ///
  /// That is further requests, or the body of one that waits; a little of a body passes unasked, so
  /// that a small one is whole when its request is refused.
  private var holdsReads: Bool {
    switch phase {
    case .answering: pending.readableBytes >= limits.head.bytes
    case .body: !bodyIsWanted && bodyPassed >= limits.head.bytes
    case .head, .finishing, .lingering, .closed: false
    }
  }

  func releaseRead() {
    guard readIsHeld else { return }
    readIsHeld = false
    clock.readWanted()
    context?.read()
  }

  /// Moves on as far as the bytes at hand allow.
  private func process() {
    guard !isProcessing else { return }
    isProcessing = true
    defer { isProcessing = false }
    while let context, pending.readableBytes > 0 {
      switch phase {
      case .head:
        guard collectHead(context) else { return }
      case .body(let scanner):
        passBody(scanner, context)
      case .answering, .finishing, .lingering, .closed:
        return
      }
    }
  }

  /// Returns whether a head was complete and has been passed on.
  private func collectHead(_ context: ChannelHandlerContext) -> Bool {
    if clock.headSince == nil { clock.headSince = .now() }
    switch scanner.scan(pending.readableBytesUInt8Span, limits: limits) {
    case .more:
      rearm()
      return false
    case .refused(let refusal):
      refuse(refusal)
      return false
    case .complete(let range):
      pending.moveReaderIndex(forwardBy: range.lowerBound)
      guard let bytes = pending.readSlice(length: range.count) else { return false }
      do throws(Refusal) {
        let head = try RequestHead.parse(bytes.readableBytesUInt8Span)
        try admit(head)
      } catch {
        refuse(
          error, toHEAD: bytes.readableBytesView.starts(with: "HEAD ".utf8),
          path: RequestHead.path(in: bytes.readableBytesView))
        return false
      }
      if !enterLane(bytes) { pass(on: bytes, context) }
      if pending.readableBytes == 0 { pending = ByteBuffer() }
      return true
    }
  }

  private func pass(on bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    hasPassedOn = true
    context.fireChannelRead(wrapInboundOut(bytes))
  }

  /// Nobody behind this hears of reads that bring requests of the lane only.
  private func endPassingOn(_ context: ChannelHandlerContext) {
    guard hasPassedOn else { return }
    hasPassedOn = false
    context.fireChannelReadComplete()
  }

  /// Takes the request in, or says why not.
  private func admit(_ head: RequestHead) throws(Refusal) {
    if case .length(let length) = head.framing, let limit = limits.body, length > limit.bytes {
      throw .bodyTooLarge
    }
    guard state.counters.requestBegan(limit: limits.requestsInFlight) else { throw .overloaded }
    requestsServed += 1
    self.head = head
    answerHeadIsOut = false
    isInLane = false
    scanner = HeadScanner()
    clock.headSince = nil
    let body = BodyScanner(head.framing, limit: limits.body?.bytes ?? .max)
    bodyPassed = 0
    bodyIsWanted = false
    connection.beginRequest(
      bodyIsComplete: body.isDone, onWanted: body.isDone ? nil : askForBody())
    if body.isDone {
      phase = .answering
    } else {
      phase = .body(body)
      clock.beginBody(expected: !head.expectsContinue)
      rearm()
    }
  }

  private func passBody(_ current: BodyScanner, _ context: ChannelHandlerContext) {
    var scanner = current
    do throws(Refusal) {
      let count = try scanner.take(pending.readableBytesUInt8Span)
      guard let bytes = pending.readSlice(length: count) else { return }
      clock.bodyArrived(count)
      bodyPassed += count
      // The decoder and the handlers hear of the end before anyone may act on it.
      if scanner.isDone {
        connection.endBody()
        phase = .answering
        clock.endBody()
      } else {
        phase = .body(scanner)
      }
      if pending.readableBytes == 0 { pending = ByteBuffer() }
      pass(on: bytes, context)
    } catch {
      refuse(error)
    }
  }

  // MARK: Going out

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch phase {
    case .head, .body, .answering:
      writing.bytes &+= unwrapOutboundIn(data).readableBytes
      context.write(data, promise: promise)
    case .finishing, .lingering, .closed:
      promise?.fail(ChannelError.outputClosed)
    }
  }

  func flush(context: ChannelHandlerContext) {
    context.flush()
    watchWriting()
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    switch (mode, phase) {
    case (.output, .finishing), (.output, .lingering), (.output, .closed):
      promise?.succeed()
    case (_, _) where isServing && answerHeadIsOut:
      // The answer is cut short: the client must not take it for complete.
      abort()
      promise?.succeed()
    case (.output, _):
      promise?.succeed()
      if isServing { state.counters.requestEnded() }
      finish()
    default:
      context.close(mode: mode, promise: promise)
    }
  }

  // MARK: Told by PartGuard

  /// Whether the connection may serve another request after this one.
  var mayKeepAlive: Bool {
    guard head.keepsAlive, !isQuiescing, !inputIsClosed, !state.draining.isDraining else {
      return false
    }
    guard case .answering = phase else { return false }
    // A reader that was cancelled in the middle has ended the stream of requests with it.
    if head.framing != .length(0) && connection.bodyIsHalfRead { return false }
    return requestsServed < limits.requestsPerConnection
  }

  /// The answer is complete and written.
  func answerEnded(keepsAlive: Bool) {
    guard isServing else { return }
    state.counters.requestEnded()
    if isInLane { connection.endCall() }
    guard keepsAlive, case .answering = phase, !isQuiescing, !inputIsClosed else {
      finish()
      return
    }
    phase = .head
    clock.idleSince = .now()
    answerMayWait = true
    releaseRead()
    rearm()
    if pending.readableBytes > 0 {
      process()
      if let context { endPassingOn(context) }
    }
  }

  // MARK: Events

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case is ChannelShouldQuiesceEvent:
      // Held back: Hummingbird would close at once, or with bytes still unwritten.
      isQuiescing = true
      if case .head = phase, clock.headSince == nil { finish() }
    case ChannelEvent.inputClosed:
      // The handlers behind know nothing of a call in the lane, and would close on it.
      if !isInLane { context.fireUserInboundEventTriggered(event) }
      inputClosed()
    case TLSUserEvent.handshakeCompleted:
      clock.handshakeSince = nil
      rearm()
      context.fireUserInboundEventTriggered(event)
    default:
      context.fireUserInboundEventTriggered(event)
    }
  }

  private func inputClosed() {
    inputIsClosed = true
    switch phase {
    case .head: pending.readableBytes > 0 || clock.headSince != nil ? refuse(.malformed) : finish()
    case .body: answerHeadIsOut ? abort() : refuse(.malformed)
    case .answering:
      if state.cancelsWhenGone {
        clock.goneSince = .now()
        rearm()
      }
    case .lingering: closeFully()
    case .finishing, .closed: break
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // Reset by the client, a broken handshake or TLS record: nothing can be said any more.
    context.fireErrorCaught(error)
    if isServing { state.counters.count(.gone) }
    abort()
  }
}
