import Base
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A login host on a loopback port that answers as a test tells it, and counts.
final class LoginServer: Sendable {
  /// One token request as it arrived.
  struct Request: Sendable {
    let contentType: String
    let body: String
    /// The fields of the body, of either encoding.
    let fields: [String: String]

    var code: String { fields["code"] ?? "" }
  }

  enum Reply: Sendable {
    case answer(Int, String, headers: [(String, String)] = [])
    case later(Duration, Int, String)
    /// Takes the request and never answers.
    case hang
    /// Takes the request and closes.
    case close
    /// Begins a body and closes in the middle of it.
    case truncated
  }

  typealias Script = @Sendable (Request) -> Reply

  private struct State {
    var requests: [Request] = []
    var script: Script = { LoginServer.grant($0) }
    var isHeld = false
    var held: [@Sendable () -> Void] = []
  }

  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let state = Mutex(State())
  private let channel = Mutex<(any Channel)?>(nil)

  /// Runs the body with a server.
  static func with<T: Sendable>(
    _ body: (LoginServer) async throws -> T
  ) async throws -> T {
    let server = LoginServer()
    let channel = try await ServerBootstrap(group: server.group)
      .serverChannelOption(.backlog, value: 1024)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(Handler(server))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    server.channel.withLock { $0 = channel }
    do {
      let result = try await body(server)
      try await server.group.shutdownGracefully()
      return result
    } catch {
      try await server.group.shutdownGracefully()
      throw error
    }
  }

  var origin: Origin? {
    let port = channel.withLock { $0?.localAddress?.port } ?? 0
    return Origin("http://127.0.0.1:\(port)")
  }

  var requests: [Request] { state.withLock { $0.requests } }

  func script(_ script: @escaping Script) { state.withLock { $0.script = script } }

  /// Keeps answers back until ``release()``.
  func hold() { state.withLock { $0.isHeld = true } }

  func release() {
    let held = state.withLock { state in
      state.isHeld = false
      defer { state.held = [] }
      return state.held
    }
    for send in held { send() }
  }

  /// The answer of a login host that grants what is asked.
  static func grant(
    _ request: Request, token: String? = nil, date: String? = nil,
    owner: String = #"{"id":1,"email":"owner@example.com"}"#
  ) -> Reply {
    let context = request.fields["context"] ?? ""
    let scope = request.fields["scope"] ?? ""
    let body = """
      {"access_token":"\(token ?? "token-of-\(request.code)")","scope":"\(scope)",\
      "user":{"id":7,"username":"u","email":"user@example.com"},"owner":\(owner),\
      "context":"\(context)","account_uuid":"acc"}
      """
    return .answer(200, body, headers: date.map { [("Date", $0)] } ?? [])
  }

  private func receive(
    _ request: Request, _ send: @escaping @Sendable (Reply) -> Void
  ) {
    let now = state.withLock { state -> Reply? in
      state.requests.append(request)
      let reply = state.script(request)
      guard state.isHeld else { return reply }
      state.held.append { send(reply) }
      return nil
    }
    if let now { send(now) }
  }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let server: LoginServer
    private var contentType = ""
    private var body: [UInt8] = []

    init(_ server: LoginServer) { self.server = server }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head):
        contentType = head.headers.first(name: "content-type") ?? ""
        body = []
      case .body(let part): body.append(contentsOf: part.readableBytesView)
      case .end:
        let text = String(decoding: body, as: UTF8.self)
        let request = Request(
          contentType: contentType, body: text, fields: Self.fields(contentType, text))
        let channel = context.channel
        server.receive(request) { reply in Self.send(reply, on: channel) }
      }
    }

    private static func send(_ reply: Reply, on channel: any Channel) {
      switch reply {
      case .answer(let status, let body, let headers): write(status, body, headers, on: channel)
      case .later(let delay, let status, let body):
        channel.eventLoop.scheduleTask(in: .nanoseconds(delay.inMicroseconds * 1000)) {
          write(status, body, [], on: channel)
        }
      case .hang: break
      case .close: channel.close(promise: nil)
      case .truncated:
        let head = HTTPResponseHead(
          version: .http1_1, status: .ok, headers: ["Content-Length": "1000"])
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        let part = IOData.byteBuffer(ByteBuffer(string: #"{"access_token":"t"#))
        channel.writeAndFlush(HTTPServerResponsePart.body(part)).whenComplete { _ in
          channel.close(promise: nil)
        }
      }
    }

    private static func write(
      _ status: Int, _ body: String, _ extra: [(String, String)], on channel: any Channel
    ) {
      var headers = HTTPHeaders([("Content-Type", "application/json")] + extra)
      headers.add(name: "Content-Length", value: "\(body.utf8.count)")
      let head = HTTPResponseHead(
        version: .http1_1, status: .init(statusCode: status), headers: headers)
      channel.write(HTTPServerResponsePart.head(head), promise: nil)
      channel.write(
        HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: body))), promise: nil)
      channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
    }

    private static func fields(_ contentType: String, _ body: String) -> [String: String] {
      if contentType.hasPrefix("application/json") {
        let members = (try? JSONScanner.parse(body))?.members ?? []
        return Dictionary(
          members.map { ($0.name, $0.value.string ?? "") }, uniquingKeysWith: { first, _ in first })
      }
      let pairs = body.split(separator: "&").map { pair in
        pair.split(separator: "=", maxSplits: 1).map { decode($0) }
      }
      return Dictionary(
        pairs.map { ($0[0], $0.count > 1 ? $0[1] : "") }, uniquingKeysWith: { first, _ in first })
    }

    private static func decode(_ text: Substring) -> String {
      var bytes: [UInt8] = []
      var rest = Array(text.utf8)[...]
      while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "%"),
          let decoded = Hex.decode(String(decoding: rest.prefix(2), as: UTF8.self))
        {
          bytes.append(contentsOf: decoded)
          rest = rest.dropFirst(2)
        } else {
          bytes.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
        }
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  }
}

/// A loopback port at which connecting is refused, as long as it lives: taken, and nobody listens.
final class ClosedPort: Sendable {
  private let socket: Int32
  let origin: Origin?

  init() throws {
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let socket = socket
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(socket, generic, length) == 0 && getsockname(socket, generic, &length) == 0
      }
    }
    guard isBound else { throw Some.Impossible() }
    origin = Origin("http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))")
  }

  deinit { close(socket) }
}
