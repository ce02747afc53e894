import Hummingbird
import HTTPTypes
import NIOCore
import Synchronization

/// Keeps what a response writes.
final class WrittenBody: Sendable {
  private let bytes = Mutex(ByteBuffer())

  var text: String { bytes.withLock { String(buffer: $0) } }

  fileprivate func append(_ more: ByteBuffer) {
    bytes.withLock { _ = $0.writeImmutableBuffer(more) }
  }

  struct Writer: ResponseBodyWriter {
    fileprivate let body: WrittenBody

    mutating func write(_ buffer: ByteBuffer) async throws { body.append(buffer) }

    consuming func finish(_: HTTPFields?) async throws {}
  }

  var writer: Writer { Writer(body: self) }
}

extension Response {
  /// The whole body as text.
  func text() async throws -> String {
    let written = WrittenBody()
    try await body.write(written.writer)
    return written.text
  }
}
