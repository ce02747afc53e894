package import Base
package import Fields
package import HTTPTypes
package import NIOCore
package import Upstream

/// One call of an internal service, as it arrived; nothing is checked yet but HTTP's own rules.
package final class GatewayRequest: Sendable {
  /// The body as it streams in; reading it slowly slows the caller down.
  package typealias Body = any AsyncSequence<ByteBuffer, any Error> & Sendable

  /// What a decision about it needs to know.
  let facts: CallFacts
  /// The request's body, `nil` when it has none; may be iterated once.
  ///
  /// It throws when the caller goes away or breaks HTTP before the body is complete.
  package let body: Body?
  package let requestID: RequestID
  package let trace: TraceContext
  /// The event loop of the caller's connection.
  package let loop: any EventLoop
  package let clientAddress: String

  /// A call whose `target` is the raw request target, byte for byte: printable ASCII, starts with
  /// `/`, holds no `#`.
  ///
  /// `headers` are all in their order, `Host` not among them; `contentLength` is the body's length,
  /// `nil` when it is chunked, 0 when there is none; `keyID` is the ID of the caller's key when
  /// somebody in this process has checked it, never from the wire, `nil` when the key is in the
  /// headers.
  package init(
    method: HTTPRequest.Method, target: String, headers: FieldSection, contentLength: Int?,
    body: Body?, requestID: RequestID, trace: TraceContext, loop: any EventLoop,
    clientAddress: String, keyID: String? = nil
  ) {
    facts = CallFacts(
      method: method, target: target, headers: headers, contentLength: contentLength, keyID: keyID)
    self.body = body
    self.requestID = requestID
    self.trace = trace
    self.loop = loop
    self.clientAddress = clientAddress
  }

  package var method: HTTPRequest.Method { facts.method }
  package var target: String { facts.target }
  package var headers: FieldSection { facts.headers }
  package var contentLength: Int? { facts.contentLength }
}

/// The gateway's answer, ours or BigCommerce's; `Latchkey-Origin` is among the headers.
package struct GatewayResponse: Sendable {
  package enum Body: Sendable {
    /// All of it; written together with the head. Empty for no body.
    case bytes(ByteBuffer)
    /// It streams; `length` as the upstream declared it, `nil` when it did not.
    ///
    /// When iteration throws, or ends short of `length`, the caller's connection is aborted, so
    /// that a cut body never looks complete.
    case stream(length: Int?, any AsyncSequence<ByteBuffer, any Error> & Sendable)
  }

  package let status: Int
  package let headers: FieldSection
  package let body: Body
  /// For the log.
  package var subject = RequestSubject()

  package init(status: Int, headers: FieldSection, body: Body) {
    self.status = status
    self.headers = headers
    self.body = body
  }
}

extension GatewayResponse {
  /// Whether the gateway itself says that the call is not made, or failed.
  package var isRefusal: Bool {
    status >= 400 && headers.first(.latchkeyOrigin, is: "gateway")
  }
}

/// What the internal listener needs of the gateway, so that it can be tested without one.
package protocol GatewayResponding: Sendable {
  /// Answers one call; never throws, and a cancelled task means that the caller went away.
  func respond(to request: GatewayRequest) async -> GatewayResponse

  /// Begins a call that has no body, on its loop's thread and without a task; the same decisions,
  /// the same answers.
  ///
  /// `done` is called once on the loop, perhaps before this returns.
  ///
  /// - Returns: what ends the call when the caller goes away; `nil` when it is answered already.
  func begin(
    _ request: GatewayRequest, _ done: @escaping @Sendable (GatewayResponse) -> Void
  ) -> (any Cancellable)?
}
