import Base
import NIOCore
import NIOExtras
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// The first that sees a request, and the last that sees its answer.
///
/// Stands between the HTTP decoder and the codec that turns its parts into HTTP types, because that codec loses the
/// request line and the Host headers. It refuses what ``RequestCheck`` refuses, owns the deadlines of
/// ``ConnectionClock``, answers `Expect: 100-continue`, counts unanswered requests, and holds back the quiesce event
/// until they are answered.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private let limits: GuardLimits
  private let listener: ListenerState
  private var clock: ConnectionClock
  private var timer: Scheduled<Void>?
  private var timerDeadline = NIODeadline.distantFuture
  private var context: ChannelHandlerContext?

  /// Requests whose answers have not ended yet.
  private var unanswered = 0
  private var isAnswering = false
  private var isReadingBody = false
  private var mustClose = false
  private var isQuiescing = false
  private var refusal: GuardRefusal?
  private(set) var isRefusing = false

  init(limits: GuardLimits, listener: ListenerState) {
    self.limits = limits
    self.listener = listener
    clock = ConnectionClock(limits, now: .now())
  }

  // MARK: The connection

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { begin(context) }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    end(context)
  }

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    end(context)
    context.fireChannelInactive()
  }

  private func begin(_ context: ChannelHandlerContext) {
    listener.clients.enter(context.channel)
    check()
  }

  private func end(_ context: ChannelHandlerContext) {
    timer?.cancel()
    timer = nil
    self.context = nil
    listener.clients.leave(context.channel)
    listener.answered(unanswered)
    unanswered = 0
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case is ChannelShouldQuiesceEvent:
      isQuiescing = true
      if unanswered == 0 { context.close(promise: nil) }
    case ChannelEvent.inputClosed where unanswered > 0:
      // Like nginx: a client that closes its side before it has the answer has gone.
      listener.clients.leave(context.channel)
      context.close(promise: nil)
    default: context.fireUserInboundEventTriggered(event)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch error {
    case HTTPParserError.headerOverflow: refuse(.headTooLarge)
    case is HTTPParserError: refuse(.malformed)
    default:
      listener.clients.leave(context.channel)
      context.close(promise: nil)
    }
  }

  // MARK: Requests

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isRefusing, refusal == nil else { return }
    switch unwrapInboundIn(data) {
    case .head(var head):
      if let refusal = RequestCheck.refusal(head) { return refuse(refusal) }
      clock.headEnded(now: .now())
      isReadingBody = true
      unanswered += 1
      listener.began()
      if head.headers.contains(name: "expect") {
        head.headers.remove(name: "expect")
        if unanswered == 1, head.version == .http1_1 {
          context.writeAndFlush(wrapOutboundOut(.head(.init(version: .http1_1, status: .continue))))
            .assumeIsolated().whenFailure { _ in context.close(promise: nil) }
        }
      }
      context.fireChannelRead(wrapInboundOut(.head(head)))
    case .body: context.fireChannelRead(data)
    case .end:
      clock.requestEnded()
      isReadingBody = false
      context.fireChannelRead(data)
    }
    check()
  }

  func received(bytes: Int) {
    clock.received(bytes: bytes, now: .now())
    check()
  }

  func reads(_ reads: Bool) { clock.reads(reads, now: .now()) }

  // MARK: Answers

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard !isRefusing else {
      promise?.fail(ChannelError.ioOnClosedChannel)
      return
    }
    switch unwrapOutboundIn(data) {
    case .head(var head):
      isAnswering = true
      if isQuiescing || listener.draining.isDraining {
        head.headers.replaceOrAdd(name: "connection", value: "close")
      }
      if head.headers[canonicalForm: "connection"].contains("close") { mustClose = true }
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case .body: context.write(data, promise: promise)
    case .end: endAnswer(context, data, promise)
    }
  }

  private func endAnswer(
    _ context: ChannelHandlerContext, _ data: NIOAny, _ promise: EventLoopPromise<Void>?
  ) {
    isAnswering = false
    unanswered -= 1
    listener.answered(1)
    if mustClose || (isQuiescing && unanswered == 0 && refusal == nil) {
      let written = promise ?? context.eventLoop.makePromise(of: Void.self)
      written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
      return context.writeAndFlush(data, promise: written)
    }
    context.write(data, promise: promise)
    if let refusal, unanswered == 0 { return answer(refusal, context) }
    clock.answered(hasMore: unanswered > 0, now: .now())
    check()
  }

  func writing(bytes: Int) {
    clock.writing(bytes: bytes, now: .now())
    check()
  }

  func wrote(bytes: Int) {
    clock.wrote(bytes: bytes, now: .now())
    check()
  }

  // MARK: Refusals

  /// Refuses the request that is arriving; earlier ones on the connection are answered first.
  private func refuse(_ refusal: GuardRefusal) {
    guard let context, self.refusal == nil, !isRefusing else { return }
    listener.refused(refusal)
    guard isReadingBody else {
      if unanswered == 0 { return answer(refusal, context) }
      self.refusal = refusal
      return
    }
    // The request that breaks off is at work already, and nobody else is answered after it.
    listener.clients.leave(context.channel)
    if unanswered > 1 || isAnswering {
      context.close(promise: nil)
    } else {
      answer(refusal, context)
    }
  }

  private func answer(_ refusal: GuardRefusal, _ context: ChannelHandlerContext) {
    isRefusing = true
    let problem = Problem(
      status: Int(refusal.status.code), code: refusal.code, title: refusal.status.reasonPhrase,
      detail: refusal.detail)
    let requestID = listener.requestIDs.next()
    let body = ByteBuffer(bytes: problem.encoded(requestID: requestID))
    var head = HTTPResponseHead(version: .http1_1, status: refusal.status)
    head.headers = [
      "content-type": "application/problem+json", "content-length": String(body.readableBytes),
      "connection": "close", "x-request-id": requestID.text, "latchkey-origin": "gateway",
      "x-content-type-options": "nosniff", "cache-control": "no-store",
    ]
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    // What the client is still sending is read and thrown away for a moment: closing at once would send a reset, and
    // a reset can destroy the answer before it is read.
    context.close(mode: .output, promise: nil)
    context.read()
    context.eventLoop.assumeIsolated().scheduleTask(in: limits.linger) {
      context.close(promise: nil)
    }
  }

  // MARK: Time

  private func check() {
    guard let context, !isRefusing else { return }
    let now = NIODeadline.now()
    switch clock.verdict(now: now) {
    case .rest: break
    case .wait(let deadline): arm(deadline, context)
    case .close:
      listener.clients.leave(context.channel)
      context.close(promise: nil)
    case .refuse(let refusal): refuse(refusal)
    }
  }

  /// One timer at most is armed; one that fires early looks again, which costs less than moving it at every byte.
  private func arm(_ deadline: NIODeadline, _ context: ChannelHandlerContext) {
    if timer != nil, timerDeadline <= deadline { return }
    timer?.cancel()
    timerDeadline = deadline
    timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
      self.timer = nil
      self.check()
    }
  }
}
