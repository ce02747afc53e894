import Base
import BigCommerce
import Curl
import Gateway
import HTTPTypes
import NIOCore
import Synchronization

/// The short way of calls without a body: from the guard straight to the gateway, on the
/// connection's loop.
///
/// It passes by the decoder, the web framework and its tasks, and shares everything that decides:
/// the guard before it, the frame around it and the gateway behind it. An answer has the same bytes
/// as on the ordinary way.
struct Lane: Sendable {
  private static let prefix: StaticString = "/stores/"

  let gateway: any GatewayResponding
  let frame: RequestFrame
  let clock: WallClock
  let dates = DateText()

  /// Whether a request goes this way; `head` is well formed and has no body.
  static func takes(_ head: Span<UInt8>, isHEAD: Bool) -> Bool {
    let start = isHEAD ? 5 : 4
    guard head.count > start + Self.prefix.utf8CodeUnitCount else { return false }
    guard isHEAD || head.extracting(0..<4).isText("GET ") else { return false }
    return head.extracting(start..<(start + Self.prefix.utf8CodeUnitCount)).isText(Self.prefix)
  }
}

/// A request in the lane, until its answer is written.
struct LaneCall: Sendable {
  let request: GatewayRequest
  let began: ContinuousClock.Instant

  /// Reads the request from a head that the guard found well formed, for which
  /// ``Lane/takes(_:isHEAD:)`` holds.
  init?(_ head: Span<UInt8>, isHEAD: Bool, _ lane: Lane, _ connection: Connection) {
    began = .now
    let start = isHEAD ? 5 : 4
    var end = start
    while head[end] != 0x20 { end += 1 }
    guard let target = head.extracting(start..<end).string else { return nil }
    var fields = HTTPFields()
    fields.reserveCapacity(16)
    // Behind " HTTP/1.1" and the line's end.
    var position = end + 11
    while head[position] != 0x0D {
      var lineEnd = position
      while head[lineEnd] != 0x0D { lineEnd += 1 }
      guard fields.append(line: head.extracting(position..<lineEnd)) else { return nil }
      position = lineEnd + 2
    }
    request = GatewayRequest(
      method: isHEAD ? .head : .get, target: target, headers: fields, contentLength: 0, body: nil,
      requestID: lane.frame.requestID(fields), loop: connection.loop,
      clientAddress: lane.frame.clientAddress(connection, fields))
  }
}

extension HTTPFields {
  /// Appends the field of a line without its end; `Host` is left out.
  ///
  /// - Returns: `false` when the line is no field, which the guard would have refused.
  fileprivate mutating func append(line: Span<UInt8>) -> Bool {
    var colon = 0
    while colon < line.count, line[colon] != UInt8(ascii: ":") { colon += 1 }
    guard colon < line.count, let name = FieldNames.name(line.extracting(0..<colon)) else {
      return false
    }
    if name.canonicalName == "host" { return true }
    let rest = line.extracting((colon + 1)..<line.count)
    guard let value = rest.extracting(rest.trimmedRange).string else { return false }
    append(HTTPField(name: name, value: value))
    return true
  }
}

extension Span<UInt8> {
  /// The bytes as text; `nil` when they are not UTF-8.
  fileprivate var string: String? {
    guard let text = try? UTF8Span(validating: self) else { return nil }
    return String(copying: text)
  }
}

/// The text of `Date`, made once a second.
final class DateText: Sendable {
  private let last = Mutex<(second: Int64, text: String)>((-1, ""))

  func text(_ now: Timestamp) -> String {
    last.withLock { last in
      if last.second != now.seconds { last = (now.seconds, HTTPDate.text(now)) }
      return last.text
    }
  }
}
