package import Base
package import BigCommerce
import Crypto
package import Storage

/// Tells genuine deliveries from forged ones, and odd ones from events; pure.
///
/// The path's token and the header's secret are demanded always, the signature by the policy.
package struct DeliveryInspector: Sendable {
  /// Why a delivery is not believed: a fixed word, which the sender is not told.
  package struct Forgery: Error, Hashable, Sendable {
    package let reason: String
  }

  private let policy: SignaturePolicy
  /// Whether the header that guides name signs, where those of Standard Webhooks are absent.
  private let takesHexadecimal: Bool
  /// By app: the client secret, and the one before it.
  private let keys: [AppName: [WebhookKey]]
  /// Whether an app wants events of a scope.
  private let wants: @Sendable (AppName, String) -> Bool

  package init(
    policy: SignaturePolicy, takesHexadecimal: Bool, keys: [AppName: [WebhookKey]],
    wants: @escaping @Sendable (AppName, String) -> Bool
  ) {
    self.policy = policy
    self.takesHexadecimal = takesHexadecimal
    self.keys = keys
    self.wants = wants
  }

  /// What is to be written of a request to a known address.
  package func inspect(
    _ request: WebhookRequest, at address: WebhookAddress, now: Timestamp
  ) throws(Forgery) -> Delivery {
    guard address.installation.app == request.app else { throw Forgery(reason: "app") }
    guard request.secrets.count == 1,
      matches(request.secrets[0], address.secretSHA256)
    else { throw Forgery(reason: "secret") }
    let signature = try checkSignature(request, now)
    let fate = try fate(of: request, at: address)
    return Delivery(
      installation: address.installation, key: key(of: request), receivedAt: now,
      webhookID: request.webhookID, signature: signature, fate: fate,
      requestID: request.requestID, body: request.body)
  }

  private func matches(_ secret: String, _ digest: [UInt8]) -> Bool {
    constantTimeEqual(Array(SHA256.hash(data: Array(secret.utf8))), digest)
  }

  /// - Returns: the word that is written down.
  private func checkSignature(
    _ request: WebhookRequest, _ now: Timestamp
  ) throws(Forgery) -> String {
    guard policy != .off else { return "off" }
    let verdict = StandardWebhooks.verify(
      request.signature, body: request.body, keys: keys[request.app] ?? [], now: now,
      takesHexadecimal: takesHexadecimal)
    switch verdict {
    case .valid: return "valid"
    case .absent where policy == .observe: return "absent"
    case .absent: throw Forgery(reason: "signature_absent")
    case .invalid(let fault) where policy == .observe: return "invalid:\(fault.rawValue)"
    case .invalid(let fault): throw Forgery(reason: "signature_\(fault.rawValue)")
    }
  }

  /// A producer other than the address's store is a forgery; what is genuine but odd is kept aside,
  /// because a refusal would count against every store of the app.
  private func fate(
    of request: WebhookRequest, at address: WebhookAddress
  ) throws(Forgery) -> Delivery.Fate {
    let envelope: DeliveryEnvelope
    do throws(DeliveryEnvelopeFault) {
      envelope = try DeliveryEnvelope.parse(request.body)
    } catch {
      guard error != .producer else { throw Forgery(reason: "producer") }
      return .quarantined(reason: "unreadable_\(error.rawValue)", scope: nil)
    }
    guard envelope.store == address.installation.store else { throw Forgery(reason: "producer") }
    guard address.isLive else {
      return .quarantined(reason: "uninstalled", scope: envelope.scope)
    }
    guard wants(request.app, envelope.scope) else {
      return .quarantined(reason: "unwanted_scope", scope: envelope.scope)
    }
    return .event(
      Delivery.Content(
        scope: envelope.scope, occurredAt: envelope.createdAt, data: envelope.data.text))
  }

  /// Two deliveries of one ID are one, and so are two without an ID whose bodies are the same.
  private func key(of request: WebhookRequest) -> [UInt8] {
    let text = request.webhookID.map { Array("id:\($0)".utf8) }
    return Array(SHA256.hash(data: text ?? Array("body:".utf8) + request.body))
  }
}

extension WebhookRequest {
  /// The one `webhook-id` of sensible length, if there is one.
  fileprivate var webhookID: String? {
    guard signature.ids.count == 1, let id = signature.ids.first, !id.isEmpty,
      id.utf8.count <= StandardWebhooks.maxIDLength,
      id.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { return nil }
    return id
  }
}
