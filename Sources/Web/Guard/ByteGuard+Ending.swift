import Base
import NIOCore
import NIOHTTP1

#if canImport(Glibc)
  import Glibc
#endif

// How a connection ends: refused, finished in order, or aborted.
extension ByteGuard {
  // MARK: Refusing

  /// Answers with a problem, if an answer may still begin, and ends the connection.
  ///
  /// `path` is that of the request, as far as it is known.
  func refuse(_ refusal: Refusal, toHEAD: Bool = false, path: String = "") {
    state.counters.count(refusal)
    guard let context else { return }
    let wasServing = isServing
    if wasServing { state.counters.requestEnded() }
    guard !(wasServing && answerHeadIsOut) else {
      phase = .finishing
      context.fireErrorCaught(refusal)
      reset()
      return
    }
    phase = .finishing
    pending = ByteBuffer()
    let bytes = refusalBytes(
      refusal, toHEAD: toHEAD || (wasServing && head.isHEAD), path: path)
    writing.bytes &+= bytes.readableBytes
    context.write(wrapOutboundOut(.byteBuffer(bytes)), promise: nil)
    // The handler of a body that broke off learns of it, and its task ends.
    if wasServing { context.fireErrorCaught(refusal) }
    flushAndClose()
  }

  private func refusalBytes(_ refusal: Refusal, toHEAD: Bool, path: String) -> ByteBuffer {
    let problem = refusal.problem
    let requestID = state.requestIDs.next()
    let body = problem.encoded(requestID: requestID)
    var bytes = ByteBuffer()
    bytes.writeString("HTTP/1.1 \(HTTPResponseStatus(statusCode: problem.status))\r\n")
    bytes.writeString("Content-Type: application/problem+json\r\n")
    bytes.writeString("Content-Length: \(body.count)\r\nConnection: close\r\n")
    if let seconds = problem.retryAfter { bytes.writeString("Retry-After: \(seconds)\r\n") }
    if refusal == .methodNotAllowed {
      bytes.writeString("Allow: \(state.methods(path).joined(separator: ", "))\r\n")
    }
    bytes.writeString("X-Request-Id: \(requestID.text)\r\n\(state.fixedFields)\r\n")
    if !toHEAD { bytes.writeBytes(body) }
    return bytes
  }

  // MARK: Finishing in order

  /// Lets what was written reach the client, then ends the connection.
  func finish() {
    switch phase {
    case .finishing, .lingering, .closed: return
    case .head, .body, .answering: break
    }
    phase = .finishing
    pending = ByteBuffer()
    flushAndClose()
  }

  private func flushAndClose() {
    guard let context else { return }
    let flushed = context.eventLoop.makePromise(of: Void.self)
    let isolated = flushed.futureResult.assumeIsolated()
    isolated.whenComplete { result in
      switch result {
      case .success: self.beginLinger()
      case .failure: self.closeFully()
      }
    }
    context.writeAndFlush(wrapOutboundOut(.byteBuffer(ByteBuffer())), promise: flushed)
    watchWriting()
    rearm()
    context.read()
  }

  /// Tells the client that nothing follows, and waits a moment for its end.
  private func beginLinger() {
    guard let context, case .finishing = phase else { return }
    if inputIsClosed {
      closeFully()
      return
    }
    phase = .lingering(.now() + TimeAmount(limits.linger))
    context.close(mode: .output, promise: nil)
    rearm()
    context.read()
  }

  func closeFully() {
    if case .closed = phase { return }
    context?.close(mode: .all, promise: nil)
  }

  // MARK: Aborting

  /// Ends the connection so that the client sees a reset, never an end.
  func abort() {
    switch phase {
    case .closed: return
    case .body, .answering:
      state.counters.requestEnded()
      phase = .finishing
    case .head, .finishing, .lingering: break
    }
    reset()
  }

  private func reset() {
    guard let context else { return }
    if let socket = context.channel as? any SocketOptionProvider {
      // Takes effect at once on the loop; a socket that refuses it closes the ordinary way.
      _ = socket.setSoLinger(linger(l_onoff: 1, l_linger: 0))
    }
    context.close(mode: .all, promise: nil)
  }

  // MARK: Bodies

  /// What a handler calls when it wants the body.
  func askForBody() -> @Sendable () -> Void {
    let bound = NIOLoopBound(self, eventLoop: connection.loop)
    let loop = connection.loop
    return {
      if loop.inEventLoop {
        bound.value.letBodyCome()
      } else {
        loop.execute { bound.value.letBodyCome() }
      }
    }
  }

  private func letBodyCome() {
    guard case .body = phase else { return }
    bodyIsWanted = true
    if head.expectsContinue, !answerHeadIsOut { sendContinue() }
    releaseRead()
    rearm()
  }

  private func sendContinue() {
    guard let context else { return }
    head.expectsContinue = false
    clock.bodyWasAskedFor()
    let line = ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")
    writing.bytes &+= line.readableBytes
    context.writeAndFlush(wrapOutboundOut(.byteBuffer(line)), promise: nil)
  }
}
