import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypesHTTP1
import NIOSSL

/// Hummingbird's HTTP/1 channel behind the guard, and behind TLS if there is an identity.
struct GuardedChannel: ServerChildChannel {
  typealias Value = AcceptedConnection

  private let base: HTTP1Channel
  private let state: ListenerState
  private let identity: TLSIdentity?

  init(
    state: ListenerState, identity: TLSIdentity?,
    responder: @escaping HTTPChannelHandler.Responder
  ) {
    // The guard's limits are tighter, and its deadlines replace the idle timeout.
    base = HTTP1Channel(responder: responder, configuration: .init(idleTimeout: nil))
    self.state = state
    self.identity = identity
  }

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    let state = state
    let reception = state.connectionOpened()
    channel.closeFuture.whenComplete { _ in state.connectionClosed(reception) }
    if reception == .dropped {
      state.counters.count(.overloaded)
      return channel.eventLoop.makeFailedFuture(Refusal.overloaded)
    }
    let connection = Connection(
      loop: channel.eventLoop, peer: channel.remoteAddress?.ipAddress ?? "")
    return channel.eventLoop.makeCompletedFuture {
      let pipeline = channel.pipeline.syncOperations
      if let identity {
        try pipeline.addHandler(NIOSSLServerHandler(context: identity.context))
      }
      let guardian = ByteGuard(
        state: state, connection: connection, isSurplus: reception == .refused)
      try pipeline.addHandler(guardian)
    }.flatMap {
      base.setup(channel: channel, logger: logger)
    }.flatMapThrowing { value in
      let accepted = AcceptedConnection(
        value, connection: connection, server: base, logger: logger)
      // All of this happens on the loop, before the first byte can arrive.
      let pipeline = channel.pipeline.syncOperations
      let guardian = try pipeline.handler(type: ByteGuard.self)
      let codec = try pipeline.context(handlerType: HTTP1ToHTTPServerCodec.self)
      let parts = PartGuard(guardian: guardian, secure: identity != nil)
      try pipeline.addHandler(parts, position: .before(codec.handler))
      pipeline.removeHandler(context: codec, promise: nil)
      return accepted
    }
  }

  func handle(value: Value, logger: Logger) async {
    // Not a child task: the guard cancels it from the event loop when the client goes away.
    let task = Task(priority: state.priority) {
      await Connection.$current.withValue(value.connection) {
        await value.serve()
      }
    }
    value.connection.serve(with: task)
    await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
  }
}
