import Base
import Fields
import HTTPTypes
import NIOCore

/// A request in the lane, until its answer is written.
final class LaneRequest: Sendable {
  let method: HTTPRequest.Method
  /// The raw request target, byte for byte.
  let target: String
  /// All fields but `Host`.
  let headers: FieldSection
  let body: ByteBuffer
  let requestID: RequestID
  let trace: TraceContext
  let loop: any EventLoop
  let clientAddress: String
  let began: ContinuousClock.Instant

  /// Reads the request from a head that the guard found well formed.
  init?(_ head: Span<UInt8>, body: ByteBuffer, _ frame: RequestFrame, _ connection: Connection) {
    began = .now
    var start = 0
    while head[start] != 0x20 { start += 1 }
    var end = start + 1
    while head[end] != 0x20 { end += 1 }
    guard let method = head.extracting(0..<start).method,
      let target = head.extracting((start + 1)..<end).string
    else { return nil }
    var fields = FieldSection(bytes: head.count, lines: 20)
    // Behind " HTTP/1.1" and the line's end.
    var position = end + 11
    while head[position] != 0x0D {
      var lineEnd = position
      while head[lineEnd] != 0x0D { lineEnd += 1 }
      guard fields.append(line: head.extracting(position..<lineEnd)) else { return nil }
      position = lineEnd + 2
    }
    (self.method, self.target, self.body) = (method, target, body)
    headers = fields
    requestID = frame.requestID(fields[.requestID])
    trace = frame.trace(fields.only(.traceparent))
    loop = connection.loop
    clientAddress = frame.clientAddress(connection, forwardedFor: fields.all(.forwardedFor))
  }
}

extension FieldSection {
  /// Appends the field of a line without its end; `Host` is left out.
  ///
  /// - Returns: `false` when the line is no field, which the guard would have refused.
  fileprivate mutating func append(line: Span<UInt8>) -> Bool {
    var colon = 0
    while colon < line.count, line[colon] != UInt8(ascii: ":") { colon += 1 }
    guard colon < line.count else { return false }
    let rest = line.extracting((colon + 1)..<line.count)
    let value = rest.extracting(rest.trimmedRange)
    guard value.isUTF8, let name = append(line.extracting(0..<colon), value)
    else { return false }
    if name == .host { removeLast() }
    return true
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
