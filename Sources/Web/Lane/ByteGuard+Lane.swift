import Base
import Gateway
import HTTPTypes
import NIOCore
import Upstream

// A request that takes the lane is answered by the guard itself; order, limits, deadlines and the
// drain are those of every request.
extension ByteGuard {
  /// Takes the request whose head was just admitted into the lane; `false` when it goes the ordinary
  /// way.
  func enterLane(_ bytes: ByteBuffer) -> Bool {
    guard let turns = lane, !head.expectsContinue,
      turns.lane.service.takes(bytes.readableBytesUInt8Span),
      let body = wholeBody(upTo: turns.lane.service.bodyLimit),
      let request = LaneRequest(bytes, body: body, turns.lane.frame, connection)
    else { return false }
    takeWholeBody()
    isInLane = true
    turns.begin(request, for: self, number: requestsServed)
    return true
  }

  /// The body of the request whose head has just passed, if all of it is here and no larger.
  private func wholeBody(upTo limit: ByteCount) -> ByteBuffer? {
    if case .answering = phase { return ByteBuffer() }
    guard case .body = phase, case .length(let length) = head.framing, length <= limit.bytes else {
      return nil
    }
    return pending.getSlice(at: pending.readerIndex, length: length)
  }

  /// Takes the body that ``wholeBody(upTo:)`` gave: nobody else hears of it.
  private func takeWholeBody() {
    guard case .body = phase, case .length(let length) = head.framing else { return }
    pending.moveReaderIndex(forwardBy: length)
    connection.endBody()
    phase = .answering
    clock.endBody()
  }

  /// Begins to answer, unless the client went away or was told something else meanwhile.
  func begin(_ request: LaneRequest, _ lane: Lane, number: Int) {
    guard isWaiting(for: number) else { return }
    let me = NIOLoopBound(self, eventLoop: connection.loop)
    let begun = lane.service.begin(request) { me.value.answer(request, with: $0, number) }
    if let begun, isWaiting(for: number) { connection.serve(with: begun) }
  }

  private func isWaiting(for number: Int) -> Bool { isServing && requestsServed == number }

  private func answer(_ request: LaneRequest, with answer: GatewayResponse, _ number: Int) {
    // A client that went away, or was told something else meanwhile, gets nothing more.
    guard let turns = lane, isWaiting(for: number) else { return }
    let (lane, call) = (turns.lane, request.call)
    var head = LaneHead(answer, toHEAD: head.isHEAD, isOldVersion: head.isOldVersion)
    lane.frame.identify(&head.fields, call.requestID)
    wasRefused = answer.isRefusal
    let keepsAlive = mayKeepAlive
    let dateLine = lane.dateLine.text(lane.clock.now())
    lane.frame.record(
      call.requestID, call.trace, answer.subject, call.method, RawTarget(call.target),
      answer.status, began: request.began, call.clientAddress)
    answerHeadIsOut = true
    let bytes = head.bytes(lane.frame.security, dateLine: dateLine, keepsAlive: keepsAlive)
    switch answer.body {
    case .bytes(let body):
      write(bytes, head.hasBody ? body : ByteBuffer())
      turns.finish(self, number: number, keepsAlive: keepsAlive)
    case .stream(_, let parts):
      send(bytes, promise: nil)
      if head.hasBody {
        pass(parts, head.framing, number, keepsAlive: keepsAlive)
      } else {
        answerEnded(keepsAlive: keepsAlive)
      }
    }
  }

  /// Writes an answer that is whole; both parts leave in one call of the kernel.
  private func write(_ head: ByteBuffer, _ body: ByteBuffer) {
    writing.bytes &+= head.readableBytes + body.readableBytes
    context?.write(wrapOutboundOut(.byteBuffer(head)), promise: nil)
    if body.readableBytes > 0 { context?.write(wrapOutboundOut(.byteBuffer(body)), promise: nil) }
  }

  /// What was written leaves, and the connection goes on.
  func finishAnswer(number: Int, keepsAlive: Bool) {
    guard isWaiting(for: number), let context else { return }
    context.flush()
    watchWritingOfMany()
    answerEnded(keepsAlive: keepsAlive)
  }

  private func send(_ bytes: ByteBuffer, promise: EventLoopPromise<Void>?) {
    guard let context else {
      promise?.fail(ChannelError.ioOnClosedChannel)
      return
    }
    writing.bytes &+= bytes.readableBytes
    context.write(wrapOutboundOut(.byteBuffer(bytes)), promise: promise)
    flush(context: context)
  }

  // MARK: Streaming

  /// Passes a body on part by part, each when the one before has left.
  private func pass(
    _ parts: any AsyncSequence<ByteBuffer, any Error> & Sendable, _ framing: LaneFraming,
    _ number: Int, keepsAlive: Bool
  ) {
    let loop = connection.loop
    let me = NIOLoopBound(self, eventLoop: loop)
    // Not structured: it is the connection's, which cancels it when the client goes away.
    let task = Task {
      var framing = framing
      do {
        for try await part in parts {
          let bytes = try framing.frame(part)
          let written = loop.makePromise(of: Void.self)
          loop.execute { me.value.sendPart(bytes, number, promise: written) }
          try await written.futureResult.get()
        }
        let end = try framing.end()
        loop.execute { me.value.endStream(end, number, keepsAlive: keepsAlive) }
      } catch {
        // A cut body must not look complete.
        loop.execute { me.value.cutStream(number) }
      }
    }
    connection.serve(with: RelayTask(task: task))
  }

  private func sendPart(_ bytes: ByteBuffer, _ number: Int, promise: EventLoopPromise<Void>) {
    guard isWaiting(for: number) else { return promise.fail(ChannelError.ioOnClosedChannel) }
    send(bytes, promise: promise)
  }

  private func endStream(_ bytes: ByteBuffer, _ number: Int, keepsAlive: Bool) {
    guard isWaiting(for: number) else { return }
    if bytes.readableBytes > 0 { send(bytes, promise: nil) }
    answerEnded(keepsAlive: keepsAlive)
  }

  private func cutStream(_ number: Int) {
    if isWaiting(for: number) { abort() }
  }
}

private struct RelayTask: Cancellable {
  let task: Task<Void, Never>

  func cancel() { task.cancel() }
}
