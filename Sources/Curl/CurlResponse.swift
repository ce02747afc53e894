package import Base
package import Fields
package import NIOCore

/// An answer whose head is complete.
package struct CurlResponse: Sendable {
  /// 200 to 599.
  package let status: Int
  /// As they came, `Content-Length` and `Transfer-Encoding` included; trailers are dropped.
  package let headers: FieldSection
  package let body: CurlResponseBody
}

/// The body of an answer, for one reader.
///
/// A body that was not read to its end when the last copy goes away ends its transfer and closes
/// the connection. Reading throws `broken` when the server ends the body early, never a normal end.
package struct CurlResponseBody: AsyncSequence, Sendable {
  package typealias Element = ByteBuffer
  package typealias Failure = CurlError

  enum Storage: Sendable {
    case complete(ByteBuffer)
    case streaming(BodyOwner)
  }

  let storage: Storage
  /// How many bytes will come, if the server said so; 0 for answers that have no body.
  package let knownLength: Int?

  /// The whole body, when it arrived together with the head; `nil` while it is still to come.
  package var complete: ByteBuffer? {
    if case .complete(let bytes) = storage { bytes } else { nil }
  }

  /// Reads the body chunk by chunk.
  package struct AsyncIterator: AsyncIteratorProtocol {
    private var rest: ByteBuffer?
    private let owner: BodyOwner?

    init(_ storage: Storage) {
      switch storage {
      case .complete(let bytes):
        rest = bytes.readableBytes > 0 ? bytes : nil
        owner = nil
      case .streaming(let owner): self.owner = owner
      }
    }

    /// The next bytes, never none; `nil` at the end of a complete body.
    package mutating func next() async throws(CurlError) -> ByteBuffer? {
      try await next(isolation: nil)
    }

    /// The next bytes, never none; `nil` at the end of a complete body.
    package mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(CurlError) -> ByteBuffer? {
      if let owner { return try await owner.next() }
      return rest.take()
    }
  }

  /// An iterator; a body that is still arriving has one reader only.
  package func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(storage)
  }

  /// The whole body.
  ///
  /// - Parameter limit: the largest body that is accepted.
  /// - Returns: all bytes in one buffer.
  /// - Throws: `tooLarge` beyond the limit (which ends the transfer), or why the body broke off.
  package func collect(upTo limit: ByteCount) async throws(CurlError) -> ByteBuffer {
    if let complete {
      guard complete.readableBytes <= limit.bytes else { throw .tooLarge }
      return complete
    }
    guard knownLength ?? 0 <= limit.bytes else { throw .tooLarge }
    var whole = ByteBufferAllocator().buffer(capacity: knownLength ?? 0)
    var iterator = makeAsyncIterator()
    while var chunk = try await iterator.next() {
      guard whole.readableBytes + chunk.readableBytes <= limit.bytes else { throw .tooLarge }
      whole.writeBuffer(&chunk)
    }
    return whole
  }
}
