import Linux
import Logging
import NIOCore

#if canImport(Glibc)
  import Glibc
#endif

/// Lets a listener rest when there is no descriptor or memory for a further connection.
///
/// NIO 2.101 keeps a listening socket among those it polls when `accept` fails at once: it holds
/// back the next read, and none was due. The loop then comes back for the same connection again and
/// again, without a pause. Here the socket is taken out for a moment; may go when NIO does so.
///
/// Meanwhile a reserve of descriptors is free for all that is not a new client, and nobody is
/// accepted before it is held again.
final class AcceptPause: ChannelInboundHandler {
  typealias InboundIn = Any

  private static let length = TimeAmount.milliseconds(250)
  private static let silence = TimeAmount.seconds(60)

  private let logger: Logger
  private let reserve = DescriptorReserve()
  private var loggedAt: NIODeadline?
  private var isPausing = false

  init(logger: Logger) {
    self.logger = logger
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let error = error as? IOError, Self.isLack(error.errnoCode) { pause(context, error) }
    context.fireErrorCaught(error)
  }

  private static func isLack(_ code: CInt) -> Bool {
    [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code)
  }

  private func pause(_ context: ChannelHandlerContext, _ error: IOError) {
    let channel = context.channel
    reserve.release()
    guard !isPausing, read(channel, false) else { return }
    isPausing = true
    if loggedAt.map({ NIODeadline.now() - $0 > Self.silence }) ?? true {
      loggedAt = .now()
      logger.warning("a connection cannot be accepted yet", metadata: ["cause": "\(error)"])
    }
    resume(channel)
  }

  /// Accepts again after a while, if there are descriptors then.
  private func resume(_ channel: any Channel) {
    channel.eventLoop.assumeIsolated().scheduleTask(in: Self.length) { [weak self] in
      guard let self, channel.isActive else { return }
      guard reserve.fill() else { return resume(channel) }
      isPausing = false
      _ = read(channel, true)
    }
  }

  /// Whether the socket is polled; a channel that is closing has none.
  private func read(_ channel: any Channel, _ isOn: Bool) -> Bool {
    guard let options = channel.syncOptions else { return false }
    do {
      try options.setOption(.autoRead, value: isOn)
      return true
    } catch {
      return false
    }
  }
}
