import Curl
import NIOCore
import Upstream

/// The upstream's body with an untyped error, as the edge takes it; its bytes are counted.
struct RelayedBody: AsyncSequence, Sendable {
  typealias Element = ByteBuffer
  typealias Failure = any Error

  let body: CurlResponseBody
  let underWay: CallUnderWay

  struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var base: CurlResponseBody.AsyncIterator
    fileprivate let underWay: CallUnderWay

    mutating func next() async throws -> ByteBuffer? {
      try await next(isolation: nil)
    }

    mutating func next(isolation actor: isolated (any Actor)?) async throws -> ByteBuffer? {
      let part = try await base.next(isolation: actor)
      if let part { underWay.received(bytes: part.readableBytes) }
      return part
    }
  }

  func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(base: body.makeAsyncIterator(), underWay: underWay)
  }
}
