package import Base
import Fields

/// Where an installation's webhooks arrive, and what they must carry to be believed.
///
/// It belongs to the installation, not to a generation: deliveries that were on their way while a
/// store consented again are as genuine as those after it.
package struct WebhookAddress: Hashable, Sendable {
  /// Whose webhooks these are; a delivery's producer must be its store.
  package let installation: InstallationID
  /// SHA-256 of the header secret, 32 bytes; compared in constant time.
  package let secretSHA256: [UInt8]
  /// False once an uninstall has retired the address: what still arrives is genuine, but for
  /// nobody.
  package let isLive: Bool

  package init(installation: InstallationID, secretSHA256: [UInt8], isLive: Bool) {
    self.installation = installation
    self.secretSHA256 = secretSHA256
    self.isLive = isLive
  }

  /// The header that carries the secret; BigCommerce sends back what a webhook was registered with.
  package static let secretHeader = FieldName.webhookSecret.spelling
}

/// What is known about a path token.
package enum WebhookAddressLookup: Hashable, Sendable {
  case found(WebhookAddress)
  /// No installation of the app has such an address, or its 72 hours are over.
  case unknown
  /// The addresses could not be read for so long that a new one may exist: neither to be believed
  /// nor to be refused.
  case cannotTell
}

/// Finds the installation that a webhook's path belongs to.
package protocol WebhookAddressFinding: Sendable {
  /// What is known of a path token without waiting; `nil` when it must be looked for.
  func known(_ app: AppName, _ pathToken: String) -> WebhookAddressLookup?

  /// Looks a path token up, at the cost of a hash table while it is known.
  ///
  /// An unknown one waits until the addresses were read once more, since another replica may have
  /// made it a moment ago; only a bounded number of callers wait, and none makes a query.
  func find(_ app: AppName, _ pathToken: String) async -> WebhookAddressLookup
}
