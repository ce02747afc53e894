import Fields
import Gateway
import HTTPTypes
import NIOCore

/// A request in the lane, until its answer is written.
final class LaneRequest: Sendable {
  /// As the gateway takes it, without its body.
  let call: GatewayRequest
  let body: ByteBuffer
  let began: ContinuousClock.Instant

  /// Reads the request from a head that the guard found well formed.
  init?(_ bytes: ByteBuffer, body: ByteBuffer, _ frame: RequestFrame, _ connection: Connection) {
    began = .now
    let head = bytes.readableBytesUInt8Span
    var start = 0
    while head[start] != 0x20 { start += 1 }
    var end = start + 1
    while head[end] != 0x20 { end += 1 }
    guard let method = head.extracting(0..<start).method,
      let target = head.extracting((start + 1)..<end).string
    else { return nil }
    // Behind " HTTP/1.1" and the line's end.
    guard
      let fields = FieldSection(
        head: Array(bytes.readableBytesView), from: end + 11, without: [.host])
    else { return nil }
    self.body = body
    call = GatewayRequest(
      method: method, target: target, headers: fields, contentLength: body.readableBytes,
      body: nil, requestID: frame.requestID(fields[.requestID]),
      trace: frame.trace(fields.only(.traceparent)), loop: connection.loop,
      clientAddress: frame.clientAddress(connection, forwardedFor: fields.all(.forwardedFor)))
  }
}

extension Span<UInt8> {
  /// The bytes as text; `nil` when they are not UTF-8.
  fileprivate var string: String? {
    guard let text = try? UTF8Span(validating: self) else { return nil }
    return String(copying: text)
  }

  /// A method that some lane takes.
  fileprivate var method: HTTPRequest.Method? {
    if isText("GET") { return .get }
    if isText("HEAD") { return .head }
    if isText("POST") { return .post }
    return nil
  }
}
