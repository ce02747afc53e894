package import Base
import Curl
package import HTTPTypes
import Hummingbird
package import NIOCore

/// One request as the routes see it.
package struct WebRequest: Sendable {
  package let method: HTTPRequest.Method
  package let target: RawTarget
  /// All fields but `Host`.
  package let headers: HTTPFields
  /// The body's length, `nil` when it is chunked, 0 when there is none.
  package let contentLength: Int?
  package let body: RequestBodyStream
  package let requestID: RequestID
  /// Its trace, and what is found out of it on its way.
  package let notes: RequestNotes
  /// The client's address, as trusted proxies report it.
  package let clientAddress: String
  /// The host that the client names, with its port if it names one.
  package let authority: String?
  /// Whether the client's connection is encrypted, to this listener or to a trusted proxy.
  package let isSecure: Bool
  package let loop: any EventLoop
}

/// The request target as it was sent: origin form, printable ASCII, no `#`.
package struct RawTarget: Hashable, Sendable {
  package let text: String

  package init(_ text: String) {
    self.text = text
  }

  /// Everything before the first `?`, byte for byte.
  package var path: Substring {
    let bytes = text.utf8.span
    for index in bytes.indices where bytes[index] == UInt8(ascii: "?") {
      return text[..<text.utf8.index(text.utf8.startIndex, offsetBy: index)]
    }
    return text[...]
  }

  /// Everything behind the first `?`; `nil` when there is none.
  package var query: Substring? {
    text.utf8.firstIndex(of: UInt8(ascii: "?")).map { text[text.utf8.index(after: $0)...] }
  }
}

/// Why a request body did not arrive.
package enum RequestBodyError: Error, Equatable {
  /// The client went away, or broke HTTP, before the body was complete.
  case cut
  /// The body is larger than its reader takes.
  case tooLarge
}

/// A request body as it streams in; may be iterated once.
///
/// Whoever makes the iterator, or sends the body on, reads it: that answers `Expect: 100-continue`,
/// and an answer that begins before the body's end ends the connection. It ends without an error only when the body is
/// complete.
package struct RequestBodyStream: AsyncSequence, Sendable {
  package typealias Element = ByteBuffer

  private let body: RequestBody
  private let connection: Connection?

  init(body: RequestBody, connection: Connection?) {
    self.body = body
    self.connection = connection
  }

  package struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var base: RequestBody.AsyncIterator
    fileprivate let connection: Connection?

    package mutating func next() async throws -> ByteBuffer? {
      if let bytes = try await base.next() { return bytes }
      guard connection?.finishBody() ?? true else { throw RequestBodyError.cut }
      return nil
    }
  }

  package func makeAsyncIterator() -> AsyncIterator {
    connection?.wantBody()
    return AsyncIterator(base: body.makeAsyncIterator(), connection: connection)
  }

  /// The whole body.
  package func collect(upTo limit: ByteCount) async throws(RequestBodyError) -> ByteBuffer {
    var collected = ByteBuffer()
    do {
      for try await part in self {
        guard collected.readableBytes + part.readableBytes <= limit.bytes else {
          throw RequestBodyError.tooLarge
        }
        if collected.readableBytes == 0 {
          collected = part
        } else {
          collected.writeImmutableBuffer(part)
        }
      }
    } catch let error as RequestBodyError {
      throw error
    } catch {
      throw .cut
    }
    return collected
  }
}

extension RequestBodyStream: SendingObserver {
  package func sendingBegins() {
    connection?.wantBody()
  }
}
