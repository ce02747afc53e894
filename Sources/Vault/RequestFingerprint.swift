import Crypto

/// What tells two requests apart without saying what is in them: an HMAC-SHA256 under a key that
/// only the caller has.
package struct RequestFingerprint: Hashable, Sendable {
  /// 32 bytes.
  package let bytes: [UInt8]

  /// Of all parts in their order, each with its length before it, under the caller's key.
  package init(of parts: [[UInt8]], under key: [UInt8]) {
    var code = HMAC<SHA256>(key: SymmetricKey(data: key))
    for part in parts {
      let length = UInt64(part.count)
      code.update(data: stride(from: 56, through: 0, by: -8).map { UInt8(length >> $0 & 0xFF) })
      code.update(data: part)
    }
    bytes = Array(code.finalize())
  }

  /// Stored bytes.
  package init(bytes: [UInt8]) {
    self.bytes = bytes
  }
}
