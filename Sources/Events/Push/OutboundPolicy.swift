package import Base

/// Which addresses a push may go to.
///
/// Whoever may make a subscription must not reach what only this machine or its neighbours should:
/// a cloud's metadata, a router, a database.
package struct OutboundPolicy: Hashable, Sendable {
  /// What is allowed beside public addresses: `LATCHKEY_PUSH_PRIVATE`.
  package enum Reach: String, CaseIterable, Sendable {
    /// Nothing.
    case off
    /// This machine, if the URL says so.
    case loopback
    /// That, and private networks (RFC 1918, RFC 6598, unique local IPv6).
    case on
  }

  package let reach: Reach

  package init(reach: Reach) {
    self.reach = reach
  }

  /// Whether a push for that URL may connect to that address.
  package func permits(_ address: IPAddress, for url: PushURL) -> Bool {
    switch address.reachability {
    case .everywhere: true
    case .machine: url.origin.isLoopback && reach != .off
    case .site: reach == .on
    case .nowhere: false
    }
  }
}

extension IPAddress {
  /// From where an address can be reached.
  package enum Reachability: Hashable, Sendable {
    case everywhere
    /// Private networks.
    case site
    /// Loopback.
    case machine
    /// Link-local, multicast, metadata, reserved: no push goes there.
    case nowhere
  }

  /// What is not known to be public is nowhere; an IPv4 address inside of an IPv6 one must be public
  /// itself.
  package var reachability: Reachability {
    if isLoopback { return .machine }
    if isIn(IPAddress.never) { return .nowhere }
    if isIn(IPAddress.sites) { return .site }
    if isVersion4 { return .everywhere }
    if let embedded = embeddedVersion4 {
      return embedded.reachability == .everywhere ? .everywhere : .nowhere
    }
    return isIn(IPAddress.globalVersion6) ? .everywhere : .nowhere
  }

  /// Of NAT64 (RFC 6052), 6to4 (RFC 3056) and ISATAP (RFC 5214).
  private var embeddedVersion4: IPAddress? {
    if isIn(IPAddress.nat64) { return IPAddress(bytes: bytes[12...]) }
    if isIn(IPAddress.sixToFour) { return IPAddress(bytes: bytes[2..<6]) }
    let isISATAP = [0, 2].contains(bytes[8]) && bytes[9..<12].elementsEqual([0, 0x5E, 0xFE])
    return isISATAP ? IPAddress(bytes: bytes[12...]) : nil
  }

  private func isIn(_ ranges: [AddressRange]) -> Bool {
    ranges.contains { $0.contains(self) }
  }

  private static func ranges(_ texts: String...) -> [AddressRange] {
    texts.map { text in
      guard let range = AddressRange(text) else { preconditionFailure("no block: \(text)") }
      return range
    }
  }

  /// The special-purpose registries of IANA, and the metadata addresses that lie outside of them
  /// (Azure, Alibaba; Google's and Amazon's IPv6).
  private static let never = ranges(
    "0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "168.63.129.16",
    "100.100.100.200", "::/96", "fe80::/10", "fec0::/10", "ff00::/8", "fd00:ec2::/32",
    "fd20:ce::254", "100::/8", "2001::/23", "2001:db8::/32", "3fff::/20", "64:ff9b:1::/48")
  private static let sites = ranges(
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
  private static let nat64 = ranges("64:ff9b::/96")
  private static let sixToFour = ranges("2002::/16")
  private static let globalVersion6 = ranges("2000::/3")
}
