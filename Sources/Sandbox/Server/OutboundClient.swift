import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Calls an app's callbacks: one GET, one connection, no redirects followed.
struct OutboundClient: Sendable {
  let loop: any EventLoop
  let trustFile: String?
  var deadline: TimeAmount = .seconds(30)
  var bodyLimit = 1024 * 1024

  func get(_ url: String) -> EventLoopFuture<OutboundResponse> {
    guard let target = OutboundTarget(url) else {
      return loop.makeFailedFuture(OutboundError.badAddress)
    }
    let answer = loop.makePromise(of: OutboundResponse.self)
    let limit = bodyLimit
    let deadline = deadline
    let trustFile = trustFile
    ClientBootstrap(group: loop)
      .connectTimeout(.seconds(5))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          if target.isTLS {
            try pipeline.addHandler(
              NIOSSLClientHandler(
                context: OutboundClient.tls(trustFile: trustFile),
                serverHostname: target.serverName))
          }
          try pipeline.addHTTPClientHandlers()
          try pipeline.addHandler(
            OutboundHandler(target: target, answer: answer, limit: limit, deadline: deadline))
        }
      }
      .connect(host: target.host, port: target.port)
      .whenFailure { answer.fail($0) }
    return answer.futureResult
  }

  /// What to speak TLS with, trusting the file's certificates beside the system's.
  static func tls(trustFile: String?) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    if let trustFile {
      configuration.additionalTrustRoots = [
        .certificates(try NIOSSLCertificate.fromPEMFile(trustFile))
      ]
    }
    return try NIOSSLContext(configuration: configuration)
  }
}

/// An answer of an app.
struct OutboundResponse: Sendable {
  let status: Int
  let headers: HTTPHeaders
  let body: ByteBuffer
}

/// Why an app gave no answer.
enum OutboundError: Error {
  case badAddress
  case closedEarly
  case tooLarge
  case timedOut
}

/// A URL, taken apart.
struct OutboundTarget: Sendable {
  let isTLS: Bool
  let host: String
  let port: Int
  /// Host and port as the URL writes them.
  let authority: String
  let target: String

  init?(_ url: String) {
    guard let schemeEnd = url.firstRange(of: "://") else { return nil }
    switch url[..<schemeEnd.lowerBound] {
    case "http": isTLS = false
    case "https": isTLS = true
    default: return nil
    }
    let rest = url[schemeEnd.upperBound...]
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    authority = String(rest[..<end])
    let parts = authority.split(separator: ":", maxSplits: 1)
    guard let name = parts.first, !name.isEmpty else { return nil }
    host = String(name)
    guard parts.count < 2 || Int(parts[1]) != nil else { return nil }
    port = parts.count > 1 ? Int(parts[1]) ?? 0 : (isTLS ? 443 : 80)
    let path = rest[end...].prefix { $0 != "#" }
    target = path.hasPrefix("/") ? String(path) : "/" + path
  }

  /// What TLS names the server; `nil` for an address.
  var serverName: String? {
    host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (48...57).contains($0) } ? nil : host
  }
}

/// Sends the one request of a connection and collects its answer.
private final class OutboundHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  private let target: OutboundTarget
  private let limit: Int
  private let deadline: TimeAmount
  private var answer: EventLoopPromise<OutboundResponse>?
  private var head: HTTPResponseHead?
  private var body = ByteBuffer()

  init(
    target: OutboundTarget, answer: EventLoopPromise<OutboundResponse>, limit: Int,
    deadline: TimeAmount
  ) {
    self.target = target
    self.answer = answer
    self.limit = limit
    self.deadline = deadline
  }

  func channelActive(context: ChannelHandlerContext) {
    let head = HTTPRequestHead(
      version: .http1_1, method: .GET, uri: target.target,
      headers: [
        "host": target.authority, "accept": "*/*", "user-agent": "BigCommerce-Sandbox/1",
        "referer": "https://login.bigcommerce.com/", "connection": "close",
      ])
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    context.eventLoop.scheduleTask(in: deadline) {
      let (handler, context) = bound.value
      handler.finish(.failure(.timedOut), context: context)
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): self.head = head
    case .body(var part):
      body.writeBuffer(&part)
      if body.readableBytes > limit { finish(.failure(.tooLarge), context: context) }
    case .end:
      guard let head else { return }
      finish(
        .success(
          OutboundResponse(status: Int(head.status.code), headers: head.headers, body: body)),
        context: context)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    finish(.failure(.closedEarly), context: context)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    answer?.fail(error)
    answer = nil
    context.close(promise: nil)
  }

  private func finish(
    _ result: Result<OutboundResponse, OutboundError>, context: ChannelHandlerContext
  ) {
    guard let answer else { return }
    self.answer = nil
    switch result {
    case .success(let response): answer.succeed(response)
    case .failure(let error): answer.fail(error)
    }
    context.close(promise: nil)
  }
}
