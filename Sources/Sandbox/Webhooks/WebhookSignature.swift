import Base
import Crypto
import NIOCore

/// The `webhook-signature` of Standard Webhooks: HMAC-SHA256 over `{id}.{timestamp}.{body}`.
///
/// The key is the app's client secret as it is, in UTF-8.
struct WebhookSignature {
  /// Keys by secret, which are made once.
  private var keys: [String: SymmetricKey] = [:]

  /// `v1,` and the base 64 of the code.
  mutating func make(
    secret: String, id: String, timestamp: String, body: ByteBuffer
  ) -> String {
    var code = HMAC<SHA256>(key: key(secret))
    code.update(data: Array((id + "." + timestamp + ".").utf8))
    code.update(data: Array(body.readableBytesView))
    return "v1," + Base64.encode(Array(code.finalize()))
  }

  private mutating func key(_ secret: String) -> SymmetricKey {
    if let key = keys[secret] { return key }
    if keys.count >= 1000 { keys.removeAll() }
    let key = SymmetricKey(data: Array(secret.utf8))
    keys[secret] = key
    return key
  }
}
