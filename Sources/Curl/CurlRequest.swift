package import Base
package import Fields
package import HTTPTypes
package import NIOCore

/// A request to be sent.
package struct CurlRequest: Sendable {
  /// What is sent after the head.
  package enum Body: Sendable {
    case none
    case bytes(ByteBuffer)
    /// Pulled as fast as the server takes it. Without a length it is sent in chunks. It is not
    /// touched before the connection stands, so after an error that was not sent it is whole.
    case stream(length: Int?, any AsyncSequence<ByteBuffer, any Error> & Sendable)
  }

  /// Where to; also the `Host` header.
  package var origin: Origin
  package var method: HTTPRequest.Method
  /// Path and query as they go out, beginning with `/`: visible ASCII without `#`.
  package var target: String
  /// Without `Host`, `Content-Length`, `Transfer-Encoding`, `Expect` and what else belongs to the
  /// connection: a request that brings one of these is refused.
  package var headers: FieldSection
  package var body: Body
  /// From the call of `send` to the end of the response head.
  package var firstByteTimeout: Duration
  /// From the call of `send` to the end of the response body.
  package var totalTimeout: Duration?
  /// The largest response body that is accepted.
  package var maxResponseBody: ByteCount?
  /// Asked of each address before a socket is opened to it; `nil` allows all.
  ///
  /// What is asked about is what is connected to, so no name can resolve to something else in
  /// between. A connection that stands already is used without asking: a client whose requests have
  /// a rule has the same one in all of them.
  package var mayConnect: (@Sendable (IPAddress) -> Bool)?

  /// A request; without a body and with a deadline of 30 s unless said otherwise.
  package init(
    origin: Origin, method: HTTPRequest.Method = .get, target: String,
    headers: FieldSection = [:], body: Body = .none, firstByteTimeout: Duration = .seconds(30),
    totalTimeout: Duration? = nil, maxResponseBody: ByteCount? = nil
  ) {
    self.origin = origin
    self.method = method
    self.target = target
    self.headers = headers
    self.body = body
    self.firstByteTimeout = firstByteTimeout
    self.totalTimeout = totalTimeout
    self.maxResponseBody = maxResponseBody
  }
}

extension CurlRequest {
  /// Headers that libcurl writes, or that speak about the connection rather than the request.
  private static let reserved: FieldNameSet = [
    .host, .contentLength, .transferEncoding, .expect, .connection, .proxyConnection, .keepAlive,
    .te, .trailer, .upgrade,
  ]

  /// Refuses what could be read as anything but one request by anybody on the way.
  ///
  /// libcurl checks none of this: a line break in a header value is sent as a line break.
  func validate() throws(CurlError) {
    guard Self.isTarget(target.utf8.span), method.rawValue.utf8.span.isToken,
      method != .connect, method != .trace
    else { throw .invalidRequest }
    let bytes = headers.bytes.span
    for line in headers.lines {
      // That a name is a token is the promise of its section.
      guard !Self.reserved.contains(line.name),
        bytes.extracting(line.valueRange).hasOnlyFieldBytes
      else { throw .invalidRequest }
    }
    switch body {
    case .none: break
    case .bytes: guard method != .head else { throw .invalidRequest }
    case .stream(let length, _):
      guard method != .head, length.map({ $0 >= 0 }) ?? true else { throw .invalidRequest }
    }
  }

  /// Whether libcurl may send the request again when a reused connection turns out to be dead.
  ///
  /// Only when it changes nothing, and the body can be sent from its start: what became of a write
  /// is the caller's to find out.
  var mayBeResent: Bool {
    guard [.get, .head, .options].contains(method) else { return false }
    if case .stream = body { return false }
    return true
  }

  private static func isTarget(_ bytes: Span<UInt8>) -> Bool {
    guard !bytes.isEmpty, bytes[0] == UInt8(ascii: "/") else { return false }
    for index in bytes.indices {
      let byte = bytes[index]
      guard byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "#") else { return false }
    }
    return true
  }
}
