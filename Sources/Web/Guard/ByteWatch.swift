import NIOCore

/// Stands before the HTTP decoder and tells the guard when bytes come, go and are asked for.
final class ByteWatch: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let guardian: ConnectionGuard

  init(_ guardian: ConnectionGuard) {
    self.guardian = guardian
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !guardian.isRefusing else { return }
    guardian.received(bytes: unwrapInboundIn(data).readableBytes)
    context.fireChannelRead(data)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    guardian.reads(false)
    context.fireChannelReadComplete()
    // Once refused, nobody behind asks for bytes; they are read to be thrown away.
    if guardian.isRefusing { context.read() }
  }

  func read(context: ChannelHandlerContext) {
    guardian.reads(true)
    context.read()
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let bytes = unwrapOutboundIn(data).readableBytes
    guard bytes > 0 else { return context.write(data, promise: promise) }
    guardian.writing(bytes: bytes)
    let written = promise ?? context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolated().whenComplete { [guardian] _ in
      guardian.wrote(bytes: bytes)
    }
    context.write(data, promise: written)
  }
}
