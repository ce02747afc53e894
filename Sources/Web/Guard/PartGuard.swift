import Fields
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Stands in the place of `HTTP1ToHTTPServerCodec`: translates between NIO's HTTP/1 parts and the
/// shared types.
///
/// Unlike the codec it leaves the request target as it was sent. It also sees to what only this
/// place can: whether the connection may stay, answers to HEAD and to HTTP/1.0, and answers whose
/// body is not as long as announced.
final class PartGuard: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private enum Failure: Error {
    /// A body is longer or shorter than its `Content-Length`.
    case wrongLength
  }

  private let guardian: ByteGuard
  private let secure: Bool
  private var keepsAlive = true
  private var isBodyless = false
  /// Bytes that the announced length still needs.
  private var missing: Int?

  init(guardian: ByteGuard, secure: Bool) {
    self.guardian = guardian
    self.secure = secure
  }

  // MARK: In

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): context.fireChannelRead(wrapInboundOut(.head(request(head))))
    case .body(let bytes): context.fireChannelRead(wrapInboundOut(.body(bytes)))
    case .end: context.fireChannelRead(wrapInboundOut(.end(nil)))
    }
  }

  private func request(_ head: HTTPRequestHead) -> HTTPRequest {
    var fields = HTTPFields()
    fields.reserveCapacity(head.headers.count)
    var authority: String?
    for (name, value) in head.headers {
      // The guard has checked every name, so none is dropped here.
      guard let name = FieldNames.name(name.utf8.span) else { continue }
      if name.canonicalName == "host" {
        authority = value
      } else {
        fields.append(HTTPField(name: name, value: value))
      }
    }
    return HTTPRequest(
      method: method(head.method), scheme: secure ? "https" : "http", authority: authority,
      path: head.uri, headerFields: fields)
  }

  private func method(_ method: NIOHTTP1.HTTPMethod) -> HTTPRequest.Method {
    switch method {
    case .HEAD: .head
    case .POST: .post
    case .PUT: .put
    case .PATCH: .patch
    case .DELETE: .delete
    // The guard lets no other method pass.
    default: .get
    }
  }

  // MARK: Out

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(let response): writeHead(response, context, promise)
    case .body(let bytes): writeBody(bytes, context, promise)
    case .end: writeEnd(context, promise)
    }
  }

  private func writeHead(
    _ response: HTTPResponse, _ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?
  ) {
    var head = HTTPResponseHead(
      version: .http1_1,
      status: HTTPResponseStatus(
        statusCode: response.status.code, reasonPhrase: response.status.reasonPhrase))
    for field in response.headerFields where field.name != .connection {
      head.headers.add(name: field.name.rawName, value: field.value)
    }
    guard guardian.isServing else {
      promise?.fail(ChannelError.outputClosed)
      return
    }
    let status = response.status.code
    let hasNoBody = guardian.head.isHEAD || status == 204 || status == 304
    isBodyless = hasNoBody
    missing = nil
    if !hasNoBody, let length = response.headerFields.firstValue(of: .contentLength) {
      missing = Int(length)
    }
    keepsAlive =
      guardian.mayKeepAlive && response.headerFields.firstValue(of: .connection) != "close"
    // HTTP/1.0 knows no chunks: the end of the connection ends the body.
    if missing == nil, guardian.head.isOldVersion { head.version = .http1_0 }
    if !keepsAlive { head.headers.add(name: "Connection", value: "close") }
    guardian.answerHeadIsOut = true
    context.write(wrapOutboundOut(.head(head)), promise: promise)
  }

  private func writeBody(
    _ bytes: ByteBuffer, _ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?
  ) {
    if isBodyless {
      // An answer to HEAD, 204 or 304: the head says all.
      promise?.succeed()
      return
    }
    if let left = missing {
      guard left >= bytes.readableBytes else {
        guardian.abort()
        promise?.fail(Failure.wrongLength)
        return
      }
      missing = left - bytes.readableBytes
    }
    context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: promise)
  }

  private func writeEnd(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
    guard guardian.isServing else {
      promise?.fail(ChannelError.outputClosed)
      return
    }
    guard missing ?? 0 == 0 else {
      guardian.abort()
      promise?.fail(Failure.wrongLength)
      return
    }
    if isBodyless {
      // The encoder would end an answer without a length with a last chunk, which a client would
      // take for the next answer.
      promise?.succeed()
    } else {
      context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }
    // On the wire before the connection goes on: the next request may be waiting.
    context.flush()
    guardian.answerEnded(keepsAlive: keepsAlive)
  }
}
