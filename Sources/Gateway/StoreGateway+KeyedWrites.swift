import Base
import Curl
import Fields
import NIOCore
import Storage
import Upstream
import Vault

extension StoreGateway {
  /// Answers a write that has an `Idempotency-Key`.
  func respond(
    _ keyed: KeyedCall, _ plan: CallPlan, _ request: GatewayRequest, _ underWay: CallUnderWay
  ) async -> GatewayResponse {
    var subject = plan.subject
    guard let keyedWrites else {
      return refuse(.idempotencyUnavailable, request, subject, underWay)
    }
    let body: ByteBuffer
    do throws(Problem) {
      body = try await request.whole()
    } catch {
      return refuse(error, request, subject, underWay)
    }
    let write = keyed.write(plan, request, body)
    let call = call(
      plan, request, body.readableBytes == 0 ? .none : .bytes(body), underWay)
    let upstream = upstream
    let outcome = await toTheEnd {
      await keyedWrites.relay(write) {
        underWay.sent(bytes: body.readableBytes)
        return await Result { () async throws(UpstreamError) in
          try await upstream.call(call, on: request.loop)
        }
      }
    }
    switch outcome {
    case .refused(let problem, let word):
      subject.idempotency = word
      return refuse(problem, request, subject, underWay)
    case .answered(let status, let headers, let body):
      subject.idempotency = .first
      underWay.answered(status: status, now: upstream.now)
      return answer(
        status, headers, Self.body(body, underWay), request, subject)
    case .replayed(let kept):
      subject.idempotency = .replayed
      underWay.replayed()
      underWay.received(bytes: kept.body.count)
      var headers = kept.headers
      headers.append(.latchkeyIdempotentReplay, "true")
      return answer(
        kept.status, headers, .bytes(ByteBuffer(bytes: kept.body)), request, subject)
    }
  }

  private static func body(
    _ body: KeyedWriteRelay.Body, _ underWay: CallUnderWay
  ) -> GatewayResponse.Body {
    switch body {
    case .whole(let bytes):
      underWay.received(bytes: bytes.readableBytes)
      return .bytes(bytes)
    case .streaming(let beginning, let rest):
      guard beginning.readableBytes > 0 else { return self.body(rest, underWay) }
      underWay.received(bytes: beginning.readableBytes)
      return .stream(
        length: rest.knownLength,
        ContinuedBody(beginning: beginning, rest: RelayedBody(body: rest, underWay: underWay)))
    }
  }
}

extension KeyedCall {
  fileprivate func write(
    _ plan: CallPlan, _ request: GatewayRequest, _ body: ByteBuffer
  ) -> KeyedWrite {
    KeyedWrite(
      id: KeyedWriteID(
        installation: plan.store.installation, caller: caller, digest: key.digest),
      fingerprint: key.fingerprint(
        request.method, plan.target.text, contentType: request.headers[.contentType],
        body: Array(body.readableBytesView)),
      claim: Hex.encode(RandomSource.system.bytes(16)), requestID: request.requestID)
  }
}

extension GatewayRequest {
  /// The body in memory; its length is known and within bounds.
  fileprivate func whole() async throws(Problem) -> ByteBuffer {
    guard let body, let contentLength, contentLength > 0 else { return ByteBuffer() }
    do {
      let bytes = try await body.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
      guard bytes.readableBytes == contentLength else { throw Problem.bodyIncomplete }
      return bytes
    } catch {
      // Cut off, or its sender has left; nothing was recorded.
      throw .bodyIncomplete
    }
  }
}

extension KeptAnswer {
  /// Its head as HTTP's; every name was one when it was kept.
  fileprivate var headers: FieldSection {
    var headers = FieldSection(bytes: 512, lines: fields.count + 3)
    for field in fields { headers.append(field.name.utf8.span, field.value.utf8.span) }
    return headers
  }
}

/// A body of which the beginning was read already.
private struct ContinuedBody: AsyncSequence, Sendable {
  typealias Element = ByteBuffer
  typealias Failure = any Error

  let beginning: ByteBuffer
  let rest: RelayedBody

  struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var beginning: ByteBuffer?
    fileprivate var rest: RelayedBody.AsyncIterator

    mutating func next() async throws -> ByteBuffer? {
      try await next(isolation: nil)
    }

    mutating func next(isolation actor: isolated (any Actor)?) async throws -> ByteBuffer? {
      if let beginning = beginning.take() { return beginning }
      return try await rest.next(isolation: actor)
    }
  }

  func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(beginning: beginning, rest: rest.makeAsyncIterator())
  }
}
