import Base
import Linux

/// Looks up where a URL leads, for whoever makes a subscription.
///
/// At each attempt the addresses are asked about again, when sockets are opened to them.
package struct PushDestinations: Sendable {
  /// Why a URL may not be pushed to: a fixed word and what to do.
  package enum Fault: String, Error, Sendable {
    /// The name has no address now.
    case unresolved
    /// One of its addresses is not allowed.
    case refused
  }

  package let policy: OutboundPolicy
  private let addresses: @Sendable (String) async -> [String]

  /// `addresses` are those of a name; none when it is not known.
  package init(
    policy: OutboundPolicy, addresses: @escaping @Sendable (String) async -> [String]
  ) {
    self.policy = policy
    self.addresses = addresses
  }

  /// By the system's own look-up.
  package init(policy: OutboundPolicy) {
    let resolver = NameResolver()
    self.init(policy: policy) { await resolver.addresses(of: $0) }
  }

  /// Every address of the host must be allowed; one that is not says that the name is not what it
  /// seems.
  package func check(_ url: PushURL) async throws(Fault) {
    let found: [String]
    if IPAddress(url.origin.host) != nil {
      found = [url.origin.host]
    } else {
      found = await addresses(url.origin.host)
    }
    guard !found.isEmpty else { throw .unresolved }
    for text in found {
      guard let address = IPAddress(text), policy.permits(address, for: url) else {
        throw .refused
      }
    }
  }
}
