import Base
import Fields
import Gateway
import HTTPTypes
import NIOCore

/// Calls that somebody wrote into the form: whatever comes back is shown.
extension ConsoleCalls {
  /// How much of an answer is read.
  static let shownBytes = 256 * 1024

  /// What came back.
  struct Reply: Sendable {
    let status: Int
    let headers: FieldSection
    /// At most ``ConsoleCalls/shownBytes``.
    let body: [UInt8]
    /// Whether there was more.
    let isCut: Bool
    /// Whether it broke off.
    let isBroken: Bool
  }

  func send(
    _ method: HTTPRequest.Method, _ target: String, _ headers: FieldSection, body: [UInt8] = []
  ) async -> Reply {
    let answer = await gateway.respond(
      to: GatewayRequest(
        method: method, target: target, headers: headers, contentLength: body.count,
        body: body.isEmpty ? nil : Self.stream(body), requestID: requestID,
        trace: trace, loop: loop,
        clientAddress: clientAddress, keyID: keyID))
    var bytes: [UInt8] = []
    var isBroken = false
    switch answer.body {
    case .bytes(let buffer): bytes = Array(buffer.readableBytesView)
    case .stream(_, let parts):
      do {
        for try await part in parts {
          bytes += part.readableBytesView
          // Whoever stops reading ends the transfer.
          if bytes.count > Self.shownBytes { break }
        }
      } catch {
        isBroken = true
      }
    }
    return Reply(
      status: answer.status, headers: answer.headers, body: Array(bytes.prefix(Self.shownBytes)),
      isCut: bytes.count > Self.shownBytes, isBroken: isBroken)
  }

  private static func stream(_ body: [UInt8]) -> AsyncThrowingStream<ByteBuffer, any Error> {
    AsyncThrowingStream { continuation in
      continuation.yield(ByteBuffer(bytes: body))
      continuation.finish()
    }
  }
}
