import NIOCore
#if canImport(Glibc)
  import Glibc
#endif

/// What happens to the bytes of one answer on their way to the socket.
enum WireFaultKind: Sendable {
  /// The connection closes after part of the answer.
  case cut(Cut)
  /// So many bytes at a time, with a pause after each.
  case slow(bytes: Int, interval: Duration)
}

/// Where an answer breaks off.
enum Cut: Sendable {
  /// Before its first byte.
  case beforeHead
  /// In the middle of its head.
  case withinHead
  /// In the middle of its body.
  case withinBody
  /// After so many bytes.
  case after(bytes: Int)
}

/// Stands between the HTTP encoder and the socket, and spoils an answer when it is armed.
final class WireFault: ChannelOutboundHandler {
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  /// What follows raw bytes.
  enum Next { case close }

  private var armed: WireFaultKind?
  private var held = ByteBuffer()
  private var context: ChannelHandlerContext?

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  /// Spoils what is written from now on.
  func arm(_ kind: WireFaultKind) {
    armed = kind
    held.clear()
  }

  /// Sends bytes that no encoder has seen, and closes.
  func sendRaw(_ bytes: ByteBuffer, then next: Next) {
    guard let context else { return }
    sendAndClose(bytes, context: context)
  }

  /// Closes with a TCP reset instead of an orderly end.
  func reset(context: ChannelHandlerContext) {
    guard let options = context.channel as? any SocketOptionProvider else {
      context.close(promise: nil)
      return
    }
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
      bound.value.close(promise: nil)
    }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard armed != nil else {
      context.write(data, promise: promise)
      return
    }
    if case .byteBuffer(var bytes) = unwrapOutboundIn(data) { held.writeBuffer(&bytes) }
    promise?.succeed()
  }

  func flush(context: ChannelHandlerContext) {
    guard let kind = armed else {
      context.flush()
      return
    }
    switch kind {
    case .cut(let cut):
      guard let length = length(of: cut) else { return }
      armed = nil
      sendAndClose(held.getSlice(at: held.readerIndex, length: length) ?? held, context: context)
    case .slow(let bytes, let interval):
      armed = nil
      trickle(bytes: max(1, bytes), interval: interval, context: context)
    }
  }

  /// How many of the held bytes leave.
  private func length(of cut: Cut) -> Int? {
    let total = held.readableBytes
    let headLength = headLength() ?? total
    switch cut {
    case .beforeHead: return 0
    case .withinHead: return headLength / 2
    case .withinBody: return headLength + (total - headLength) / 2
    case .after(let bytes): return min(bytes, total)
    }
  }

  private func headLength() -> Int? {
    let view = held.readableBytesView
    guard let end = view.firstRange(of: [13, 10, 13, 10]) else { return nil }
    return view.distance(from: view.startIndex, to: end.upperBound)
  }

  private func sendAndClose(_ bytes: ByteBuffer, context: ChannelHandlerContext) {
    guard bytes.readableBytes > 0 else {
      context.close(promise: nil)
      return
    }
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    context.writeAndFlush(wrapOutboundOut(.byteBuffer(bytes))).whenComplete { _ in
      bound.value.close(promise: nil)
    }
  }

  private func trickle(bytes: Int, interval: Duration, context: ChannelHandlerContext) {
    guard let piece = held.readSlice(length: min(bytes, held.readableBytes)),
      piece.readableBytes > 0, context.channel.isActive
    else { return }
    context.writeAndFlush(wrapOutboundOut(.byteBuffer(piece)), promise: nil)
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    context.eventLoop.scheduleTask(in: TimeAmount(interval)) {
      let (handler, context) = bound.value
      handler.trickle(bytes: bytes, interval: interval, context: context)
    }
  }
}
