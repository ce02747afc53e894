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
  func bytes(_ security: SecurityFields, dateLine: String, keepsAlive: Bool) -> ByteBuffer {
    var out = ByteBuffer()
    out.reserveCapacity(1024)
    writeStatusLine(&out)
    var names: FieldNameSet = []
    fields.write(to: &out) { line in
      guard line.name != .connection else { return false }
      names.insert(line.name)
      return mayHaveBody || line.name != .contentLength
    }
    security.write(besides: names, to: &out)
    out.writeString(dateLine)
    if !keepsAlive { out.writeStaticString("Connection: close\r\n") }
    if mayHaveBody, case .chunked = framing {
      out.writeStaticString("transfer-encoding: chunked\r\n")
    }
    out.writeStaticString("\r\n")
    return out
  }

  private func writeStatusLine(_ out: inout ByteBuffer) {
    let isDelimited = if case .length = framing { hasBody } else { false }
    let isOld = isOldVersion && !isDelimited
    if status == 200, !isOld {
      out.writeStaticString("HTTP/1.1 200 OK\r\n")
    } else {
      let version = isOld ? "1.0" : "1.1"
      out.writeString("HTTP/\(version) \(HTTPResponseStatus(statusCode: status))\r\n")
    }
  }
}
