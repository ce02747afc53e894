import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// Puts the guard's handlers where they belong: Hummingbird adds its own only behind the codec.
final class GuardInstaller: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = Any

  private let limits: GuardLimits
  private let listener: ListenerState

  init(limits: GuardLimits, listener: ListenerState) {
    self.limits = limits
    self.listener = listener
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let pipeline = context.pipeline.syncOperations
    let guardian = ConnectionGuard(limits: limits, listener: listener)
    do {
      let codec = try pipeline.handler(type: HTTP1ToHTTPServerCodec.self)
      try pipeline.addHandler(guardian, position: .before(codec))
      // The encoder stands before the decoder: only before both are there bytes in both directions.
      let encoder = try pipeline.handler(type: HTTPResponseEncoder.self)
      try pipeline.addHandler(ByteWatch(guardian), position: .before(encoder))
    } catch {
      // Without its guard a connection must not be served.
      context.close(promise: nil)
    }
  }
}
