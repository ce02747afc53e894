package import Base
import Crypto

/// Signatures of Standard Webhooks: HMAC-SHA256 over `{id}.{timestamp}.{body}`, as `v1,{base64}`.
///
/// BigCommerce signs its deliveries so, and so do we what we push to subscriptions.
/// - Source: PLATFORM 7.4; the Standard Webhooks specification 1.0.0.
package enum StandardWebhooks {
  /// The value of `webhook-signature` for one attempt.
  ///
  /// The ID stays the same over all attempts and has no full stop; the timestamp is the attempt's,
  /// in seconds since 1970.
  package static func sign(
    id: String, timestamp: Int64, body: [UInt8], key: WebhookKey
  ) -> String {
    let code = key.code(of: Array("\(id).\(timestamp).".utf8), body)
    return "v1," + Base64.encode(Array(code))
  }
}

/// A key that signs or verifies webhooks.
///
/// An empty one verifies nothing.
package struct WebhookKey: Sendable {
  private let bytes: Secret<[UInt8]>

  /// The bytes of the key as they are.
  package init(bytes: Secret<[UInt8]>) {
    self.bytes = bytes
  }

  /// The key of BigCommerce's deliveries: the app's client secret in UTF-8, not decoded.
  package init(clientSecret: Secret<String>) {
    bytes = Secret(Array(clientSecret.expose().utf8))
  }

  /// A secret as subscribers are given it: `whsec_` and the base 64 of 24 to 64 bytes.
  ///
  /// `nil` for any other text.
  package init?(subscriptionSecret: Secret<String>) {
    let text = subscriptionSecret.expose()
    guard text.hasPrefix(WebhookKey.prefix),
      let bytes = Base64.decode(text.dropFirst(WebhookKey.prefix.count)),
      (24...64).contains(bytes.count)
    else { return nil }
    self.bytes = Secret(bytes)
  }

  /// The secret as subscribers are given it.
  package var subscriptionSecret: Secret<String> {
    Secret(WebhookKey.prefix + Base64.encode(bytes.expose()))
  }

  private static let prefix = "whsec_"

  var isEmpty: Bool { bytes.expose().isEmpty }

  func code(of head: [UInt8], _ body: [UInt8]) -> HMAC<SHA256>.MAC {
    var code = HMAC<SHA256>(key: SymmetricKey(data: bytes.expose()))
    code.update(data: head)
    code.update(data: body)
    return code.finalize()
  }
}
