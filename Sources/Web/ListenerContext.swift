import Base
import Hummingbird
import Logging
import NIOCore

/// What the responders know of a request beside the request itself.
struct ListenerContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    channel = source.channel
  }

  /// The peer's address without its port; empty for a Unix socket.
  var peer: String { channel.remoteAddress?.ipAddress ?? "" }
}
