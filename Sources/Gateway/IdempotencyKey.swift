package import Base
import HTTPTypes
import Vault

/// The value of `Idempotency-Key`: the caller's own name for one write.
///
/// It may say more than it should (an order, a person), so it is not kept: only its digest is.
package struct IdempotencyKey: Hashable, Sendable {
  /// The largest request body that a write with a key may have: it is read before it is sent.
  package static let largestBody = ByteCount.mebibytes(1)

  let text: String

  /// `nil` unless the text is 1 to 255 printable ASCII characters without spaces.
  package init?(_ text: String) {
    guard (1...255).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21..<0x7F).contains($0) })
    else { return nil }
    self.text = text
  }

  var digest: KeyDigest { KeyDigest(of: Array(text.utf8)) }

  /// What must be the same in a repetition: method, target, content type and body.
  func fingerprint(
    _ method: HTTPRequest.Method, _ target: String, contentType: String?, body: [UInt8]
  ) -> RequestFingerprint {
    RequestFingerprint(
      of: [
        Array(method.rawValue.utf8), Array(target.utf8), Array((contentType ?? "").utf8), body,
      ], under: Array(text.utf8))
  }
}
