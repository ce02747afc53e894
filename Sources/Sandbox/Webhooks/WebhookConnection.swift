import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// One connection to a destination: one request after the other, as long as both sides keep it.
final class WebhookConnection: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  /// Whom the connection tells what comes of its requests; all on one event loop.
  protocol Owner: AnyObject {
    /// What came of the request is known; the answer may still be on its way.
    func judge(_ exchange: Exchange, _ outcome: AttemptOutcome)
    /// The request is over; the connection takes the next one, or is closed.
    func finish(_ connection: WebhookConnection, isReusable: Bool)
    /// The connection ended between two requests.
    func forget(_ connection: WebhookConnection)
  }

  let lane: Lane
  /// Since when it has no request.
  private(set) var idleSince = NIODeadline.now()
  private weak var owner: (any Owner)?
  private let timeout: TimeAmount
  private var context: ChannelHandlerContext?
  private var exchange: Exchange?
  private var isJudged = false
  private var keepsAlive = false
  private var deadline: Scheduled<Void>?

  init(lane: Lane, owner: any Owner, timeout: TimeAmount) {
    self.lane = lane
    self.owner = owner
    self.timeout = timeout
  }

  /// Connects for a first request.
  func open(_ exchange: Exchange, on loop: any EventLoop, tls: NIOSSLContext?) {
    begin(exchange, on: loop)
    let target = exchange.target
    let bound = NIOLoopBound(self, eventLoop: loop)
    ClientBootstrap(group: loop)
      .connectTimeout(timeout)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          if let tls {
            try pipeline.addHandler(
              NIOSSLClientHandler(context: tls, serverHostname: target.serverName))
          }
          try pipeline.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
          try pipeline.addHandler(bound.value)
        }
      }
      .connect(to: target)
      .whenFailure { _ in bound.value.end(.connect) }
  }

  /// Sends a further request on the open connection.
  func send(_ exchange: Exchange) {
    guard let context else { return }
    begin(exchange, on: context.eventLoop)
    write(exchange.request, context)
  }

  func close() {
    context?.close(promise: nil)
  }

  private func begin(_ exchange: Exchange, on loop: any EventLoop) {
    self.exchange = exchange
    isJudged = false
    keepsAlive = false
    deadline = loop.assumeIsolated().scheduleTask(in: timeout) { self.end(.timeout) }
  }

  func channelActive(context: ChannelHandlerContext) {
    self.context = context
    // The deadline may have passed while the connection was made.
    guard let exchange else { return context.close(promise: nil) }
    write(exchange.request, context)
  }

  private func write(_ request: WebhookRequest, _ context: ChannelHandlerContext) {
    context.write(wrapOutboundOut(.head(request.head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(request.body))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      keepsAlive = head.isKeepAlive
      judge(AttemptOutcome(head))
    case .body: break
    case .end: finish(isReusable: keepsAlive)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.context = nil
    end(.closed)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch error {
    case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError: end(.tls)
    case is HTTPParserError: end(.malformed)
    default: end(.closed)
    }
  }

  private func judge(_ outcome: AttemptOutcome) {
    guard let exchange, !isJudged else { return }
    isJudged = true
    owner?.judge(exchange, outcome)
  }

  /// Nothing more comes on this connection.
  private func end(_ failure: AttemptFailure) {
    guard exchange != nil else {
      owner?.forget(self)
      close()
      return
    }
    judge(AttemptOutcome(failure))
    finish(isReusable: false)
  }

  private func finish(isReusable: Bool) {
    guard exchange != nil else { return }
    exchange = nil
    deadline?.cancel()
    deadline = nil
    idleSince = .now()
    guard let owner else { return close() }
    if !isReusable { close() }
    owner.finish(self, isReusable: isReusable)
  }
}

extension ClientBootstrap {
  /// Connects without asking the resolver when the host is an address.
  fileprivate func connect(to target: OutboundTarget) -> EventLoopFuture<any Channel> {
    guard let address = try? SocketAddress(ipAddress: target.host, port: target.port) else {
      return connect(host: target.host, port: target.port)
    }
    return connect(to: address)
  }
}
