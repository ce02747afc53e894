import Fields
import Gateway
import NIOCore
import NIOHTTP1

/// How the body of an answer is delimited, as far as its parts are out.
enum LaneFraming: Sendable {
  /// Bytes that the announced length still needs.
  case length(Int)
  case chunked
  /// By the end of the connection: HTTP/1.0 knows no chunks.
  case untilClose

  enum Fault: Error {
    /// A body is longer or shorter than its `Content-Length`.
    case wrongLength
  }

  /// The part as it goes out.
  mutating func frame(_ part: ByteBuffer) throws(Fault) -> ByteBuffer {
    switch self {
    case .length(let missing):
      guard part.readableBytes <= missing else { throw .wrongLength }
      self = .length(missing - part.readableBytes)
      return part
    case .untilClose: return part
    case .chunked:
      guard part.readableBytes > 0 else { return part }
      var bytes = ByteBuffer()
      bytes.reserveCapacity(part.readableBytes + 20)
      bytes.writeString(String(part.readableBytes, radix: 16))
      bytes.writeStaticString("\r\n")
      bytes.writeImmutableBuffer(part)
      bytes.writeStaticString("\r\n")
      return bytes
    }
  }

  /// What follows the last part.
  func end() throws(Fault) -> ByteBuffer {
    switch self {
    case .length(0), .untilClose: return ByteBuffer()
    case .length: throw .wrongLength
    case .chunked: return ByteBuffer(string: "0\r\n\r\n")
    }
  }
}

/// The head of an answer in the lane, with the fields and the framing that the ordinary way would
/// give it; those of ``SecurityFields`` are added as it is written.
struct LaneHead {
  let status: Int
  var fields: FieldSection
  let framing: LaneFraming
  /// Not for HEAD, 204 and 304.
  let hasBody: Bool
  private let isOldVersion: Bool
  private let mayHaveBody: Bool

  init(_ answer: GatewayResponse, toHEAD: Bool, isOldVersion: Bool) {
    status = answer.status
    mayHaveBody = status != 204 && status != 304
    hasBody = mayHaveBody && !toHEAD
    fields = answer.headers
    let length: Int? =
      switch answer.body {
      // The answer to HEAD keeps the length of the body that GET would have had.
      case .bytes(let bytes): toHEAD ? nil : bytes.readableBytes
      case .stream(let length, _): length
      }
    let said = fields.only(.contentLength)
    if let length, said != String(length) { fields[.contentLength] = String(length) }
    let announced = length ?? said.flatMap { Int($0) }
    framing = announced.map { .length($0) } ?? (isOldVersion ? .untilClose : .chunked)
    self.isOldVersion = isOldVersion
  }

  /// The bytes of the head.
  func bytes(_ security: SecurityFields, date: String, keepsAlive: Bool) -> ByteBuffer {
    var out = ByteBuffer()
    out.reserveCapacity(1024)
    writeStatusLine(&out)
    var names: FieldNameSet = []
    for line in fields.lines where line.name != .connection {
      names.insert(line.name)
      if !mayHaveBody, line.name == .contentLength { continue }
      fields.write(line, to: &out)
    }
    security.write(besides: names, to: &out)
    LaneHead.write("Date", date, &out)
    if !keepsAlive { LaneHead.write("Connection", "close", &out) }
    if mayHaveBody, case .chunked = framing {
      LaneHead.write("transfer-encoding", "chunked", &out)
    }
    out.writeStaticString("\r\n")
    return out
  }

  private func writeStatusLine(_ out: inout ByteBuffer) {
    let isDelimited = if case .length = framing { hasBody } else { false }
    if isOldVersion, !isDelimited {
      out.writeStaticString("HTTP/1.0 ")
    } else {
      out.writeStaticString("HTTP/1.1 ")
    }
    guard status != 200 else {
      out.writeStaticString("200 OK\r\n")
      return
    }
    out.writeString("\(HTTPResponseStatus(statusCode: status))\r\n")
  }

  private static func write(_ name: String, _ value: String, _ out: inout ByteBuffer) {
    out.writeString(name)
    out.writeStaticString(": ")
    out.writeString(value)
    out.writeStaticString("\r\n")
  }
}
