import Base
import Curl
import NIOCore
import Synchronization

/// A request body of unknown length that ends with an error when it grows beyond the limit.
struct LimitedBody: AsyncSequence, Sendable {
  typealias Element = ByteBuffer
  typealias Failure = any Error

  /// Thrown by the body; whoever sends it sees only that the body failed, and asks ``isTooLarge``.
  struct TooLarge: Error {}

  fileprivate final class Mark: Sendable {
    let isTooLarge = Atomic(false)
    let taken = Atomic(0)
  }

  private let body: any AsyncSequence<ByteBuffer, any Error> & Sendable
  private let limit: ByteCount
  private let mark = Mark()

  init(_ body: any AsyncSequence<ByteBuffer, any Error> & Sendable, limit: ByteCount) {
    self.body = body
    self.limit = limit
  }

  /// Whether the limit was passed.
  var isTooLarge: Bool { mark.isTooLarge.load(ordering: .relaxed) }

  /// Bytes that were read of it.
  var taken: Int { mark.taken.load(ordering: .relaxed) }

  struct AsyncIterator: AsyncIteratorProtocol {
    private var base: any AsyncIteratorProtocol<ByteBuffer, any Error>
    private var left: Int
    private let mark: Mark

    fileprivate init(
      _ base: any AsyncIteratorProtocol<ByteBuffer, any Error>, limit: ByteCount, _ mark: Mark
    ) {
      self.base = base
      left = limit.bytes
      self.mark = mark
    }

    mutating func next() async throws -> ByteBuffer? {
      try await next(isolation: nil)
    }

    mutating func next(isolation actor: isolated (any Actor)?) async throws -> ByteBuffer? {
      guard let chunk = try await base.next(isolation: actor) else { return nil }
      left -= chunk.readableBytes
      guard left >= 0 else {
        mark.isTooLarge.store(true, ordering: .relaxed)
        throw TooLarge()
      }
      mark.taken.add(chunk.readableBytes, ordering: .relaxed)
      return chunk
    }
  }

  func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(body.makeAsyncIterator(), limit: limit, mark)
  }
}

extension LimitedBody: SendingObserver {
  func sendingBegins() {
    (body as? any SendingObserver)?.sendingBegins()
  }
}
