package import Base
package import BigCommerce
package import Curl
package import Fields
import HTTPTypes
import NIOCore

/// What came of one token request.
package enum LoginReply: Sendable {
  /// An answer, complete.
  case answered(status: Int, headers: FieldSection, body: Secret<[UInt8]>)
  /// Certainly no byte of it was sent; the code is as good as before.
  case notSent
  /// It was sent, and no complete answer came: the code may be spent and a token given. The word is
  /// for the log.
  case unknown(String)
}

/// BigCommerce's login host; a protocol, so that a test can count requests and script the answers.
package protocol LoginHost: Sendable {
  /// Sends one token request, as part of the trace of the callback that brought the code.
  func send(
    _ exchange: TokenExchange, _ encoding: TokenExchange.Encoding, in trace: TraceContext,
    within limit: Duration
  ) async -> LoginReply
}

/// The real login host.
package struct CurlLoginHost: LoginHost {
  /// No genuine answer comes near.
  package static let maxBody = ByteCount.kibibytes(64)

  private let client: CurlClient
  private let origin: Origin

  package init(client: CurlClient, origin: Origin) {
    self.client = client
    self.origin = origin
  }

  package func send(
    _ exchange: TokenExchange, _ encoding: TokenExchange.Encoding, in trace: TraceContext,
    within limit: Duration
  ) async -> LoginReply {
    let clock = ContinuousClock()
    let end = clock.now + limit
    var reply = LoginReply.notSent
    // Tried again only while nothing was sent: a connection that the host had closed, a refused
    // connect.
    for _ in 0..<2 {
      let left = end - clock.now
      guard left > .zero else { break }
      reply = await sendOnce(exchange, encoding, in: trace, within: left)
      guard case .notSent = reply else { break }
    }
    return reply
  }

  private func sendOnce(
    _ exchange: TokenExchange, _ encoding: TokenExchange.Encoding, in trace: TraceContext,
    within limit: Duration
  ) async -> LoginReply {
    var headers = exchange.headers(encoding)
    headers.append(.traceparent, trace.traceparent)
    let request = CurlRequest(
      origin: origin, method: .post, target: TokenExchange.target,
      headers: headers,
      body: .bytes(ByteBuffer(bytes: exchange.body(encoding).expose())),
      firstByteTimeout: limit, totalTimeout: limit, maxResponseBody: CurlLoginHost.maxBody)
    do throws(CurlError) {
      let response = try await client.send(request)
      let body = try await response.body.collect(upTo: CurlLoginHost.maxBody)
      return .answered(
        status: response.status, headers: response.headers,
        body: Secret(Array(body.readableBytesView)))
    } catch {
      return error.wasSent ? .unknown("\(error)") : .notSent
    }
  }
}
