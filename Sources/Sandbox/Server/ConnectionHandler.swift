import Base
import NIOCore
import NIOHTTP1

/// Collects one request of a connection after the other and writes the answers.
final class ConnectionHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let site: Site
  private let wire: WireFault
  private let bodyLimit: Int
  private var head: HTTPRequestHead?
  private var body = ByteBuffer()
  private var isTooLarge = false

  init(site: Site, wire: WireFault, bodyLimit: Int) {
    self.site = site
    self.wire = wire
    self.bodyLimit = bodyLimit
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body = ByteBuffer()
      isTooLarge = false
      if head.headers["expect"].contains(where: { $0.lowercased() == "100-continue" }) {
        context.writeAndFlush(
          wrapOutboundOut(.head(.init(version: .http1_1, status: .continue))), promise: nil)
      }
    case .body(var part):
      guard body.readableBytes + part.readableBytes <= bodyLimit else {
        isTooLarge = true
        return
      }
      if body.readableBytes == 0 { body = part } else { body.writeBuffer(&part) }
    case .end:
      guard let head else { return }
      self.head = nil
      let request = SandboxRequest(
        method: head.method, target: head.uri, headers: head.headers, body: body)
      body = ByteBuffer()
      respond(to: request, head: head, context: context)
    }
  }

  private func respond(
    to request: SandboxRequest, head: HTTPRequestHead, context: ChannelHandlerContext
  ) {
    guard !isTooLarge else {
      let refusal = SandboxResponse.json(
        ["status": 413, "title": "The request payload is too large."], status: .payloadTooLarge)
      write(refusal, to: request, keepAlive: false, context: context)
      return
    }
    let keepAlive = head.isKeepAlive
    let fault = site.fault(for: request)
    let delay = fault?.delay ?? .zero
    guard fault == nil || delay == .zero else {
      let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
      context.eventLoop.scheduleTask(in: TimeAmount(delay)) {
        let (handler, context) = bound.value
        guard context.channel.isActive else { return }
        handler.carryOut(request, fault: fault, keepAlive: keepAlive, context: context)
      }
      return
    }
    carryOut(request, fault: fault, keepAlive: keepAlive, context: context)
  }

  private func carryOut(
    _ request: SandboxRequest, fault: Fault?, keepAlive: Bool, context: ChannelHandlerContext
  ) {
    if let fault, !fault.carriesOut {
      deliver(
        fault.replacement, to: request, fault: fault, keepAlive: keepAlive, context: context)
      return
    }
    switch site.respond(to: request, on: context.eventLoop) {
    case .now(let response):
      deliver(response, to: request, fault: fault, keepAlive: keepAlive, context: context)
    case .later(let future):
      let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
      future.hop(to: context.eventLoop).whenComplete { result in
        let (handler, context) = bound.value
        guard context.channel.isActive else { return }
        let response: SandboxResponse
        switch result {
        case .success(let answer): response = answer
        case .failure(let error):
          response = .json(
            ["error": "sandbox", "error_description": .string("\(error)")],
            status: .internalServerError)
        }
        handler.deliver(
          response, to: request, fault: fault, keepAlive: keepAlive, context: context)
      }
    }
  }

  private func deliver(
    _ response: SandboxResponse, to request: SandboxRequest, fault: Fault?, keepAlive: Bool,
    context: ChannelHandlerContext
  ) {
    guard let fault else {
      write(response, to: request, keepAlive: keepAlive, context: context)
      return
    }
    switch fault.delivery {
    case .plain:
      write(response, to: request, keepAlive: keepAlive, context: context)
    case .never:
      break
    case .reset:
      wire.reset(context: context)
    case .raw(let bytes):
      wire.sendRaw(bytes, then: .close)
    case .oversize(let bytes):
      writeOversize(response, bytes: bytes, context: context)
    case .cut(let cut):
      wire.arm(.cut(cut))
      write(response, to: request, keepAlive: keepAlive, context: context)
    case .slow(let bytes, let interval):
      wire.arm(.slow(bytes: bytes, interval: interval))
      write(response, to: request, keepAlive: keepAlive, context: context)
    }
  }

  private func write(
    _ response: SandboxResponse, to request: SandboxRequest, keepAlive: Bool,
    context: ChannelHandlerContext
  ) {
    var headers = response.headers
    let mayHaveBody = response.status.mayHaveResponseBody
    if mayHaveBody {
      headers.replaceOrAdd(name: "content-length", value: String(response.body.readableBytes))
    }
    if !keepAlive { headers.replaceOrAdd(name: "connection", value: "close") }
    if request.method == .HEAD { headers.add(name: PlainMark.name, value: "1") }
    let head = HTTPResponseHead(version: .http1_1, status: response.status, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    if mayHaveBody, request.method != .HEAD, response.body.readableBytes > 0 {
      context.write(wrapOutboundOut(.body(.byteBuffer(response.body))), promise: nil)
    }
    let end = context.writeAndFlush(wrapOutboundOut(.end(nil)))
    if !keepAlive {
      let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
      end.whenComplete { _ in bound.value.close(promise: nil) }
    }
  }

  /// Sends a body of that many bytes in pieces of 64 KiB, each when the one before has left.
  private func writeOversize(
    _ response: SandboxResponse, bytes: Int, context: ChannelHandlerContext
  ) {
    var headers = response.headers
    headers.replaceOrAdd(name: "content-length", value: String(bytes))
    headers.replaceOrAdd(name: "connection", value: "close")
    headers.add(name: PlainMark.name, value: "1")
    context.write(
      wrapOutboundOut(
        .head(.init(version: .http1_1, status: response.status, headers: headers))), promise: nil)
    writePiece(of: bytes, context: context)
  }

  private func writePiece(of remaining: Int, context: ChannelHandlerContext) {
    guard remaining > 0 else {
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
      context.close(promise: nil)
      return
    }
    let size = min(remaining, 65536)
    let piece = ByteBuffer(repeating: UInt8(ascii: "x"), count: size)
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(piece)))).whenSuccess {
      let (handler, context) = bound.value
      handler.writePiece(of: remaining - size, context: context)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }
}

/// A header that keeps the compressor's hands off an answer; it never leaves the process.
enum PlainMark {
  static let name = "x-sandbox-plain"
}

extension HTTPResponseStatus {
  /// Whether HTTP lets an answer of this status have a body.
  var mayHaveResponseBody: Bool {
    code >= 200 && self != .noContent && self != .notModified
  }
}
