import Base
import NIOCore

/// What of the settings is asked for in every transfer, in the units it is asked for.
final class TransferLimits: Sendable {
  let connect: TimeAmount
  let tls: TimeAmount
  let stall: TimeAmount
  /// Bytes of an answer's head.
  let head: Int
  /// Lines of an answer's head.
  let headerFields: Int
  /// Bytes of a body that arrives with its head.
  let collectedBody: Int
  /// Bytes that wait for a reader.
  let downloadBuffer: Int
  /// Bytes that wait to be sent.
  let uploadBuffer: Int

  init(_ settings: CurlSettings) {
    connect = TimeAmount(bounding: settings.connectTimeout)
    tls = TimeAmount(bounding: settings.tlsTimeout)
    stall = TimeAmount(bounding: settings.stallTimeout)
    head = settings.maxHead.bytes
    headerFields = settings.maxHeaderFields
    collectedBody = settings.collectedBody.bytes
    downloadBuffer = settings.downloadBuffer.bytes
    uploadBuffer = settings.uploadBuffer.bytes
  }
}
