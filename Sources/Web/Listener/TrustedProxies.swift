import Base

/// The proxies whose `X-Forwarded-For` is believed.
package struct TrustedProxies: Sendable {
  private let ranges: [AddressRange]

  /// Reads addresses and blocks such as `10.0.0.0/8`; `nil` when one of them is neither.
  package init?(_ texts: some Sequence<String>) {
    var ranges: [AddressRange] = []
    for text in texts {
      guard let range = AddressRange(text) else { return nil }
      ranges.append(range)
    }
    self.ranges = ranges
  }

  private init() {
    ranges = []
  }

  /// No proxy at all: the peer is the client.
  package static let none = TrustedProxies()

  /// The client's address: the last one in `X-Forwarded-For` that no trusted proxy has, if the peer
  /// is one; else the peer's.
  package func clientAddress(
    peer: String, forwardedFor: @autoclosure () -> [String]
  ) -> String {
    guard !ranges.isEmpty, isTrusted(peer) else { return peer }
    let chain = forwardedFor().joined(separator: ",")
    for entry in chain.split(separator: ",").reversed() {
      let text = entry.filter { $0 != " " && $0 != "\t" }
      // What is not an address was not written by a proxy that we trust.
      guard let address = IPAddress(text) else { return peer }
      if !ranges.contains(where: { $0.contains(address) }) { return text }
    }
    return peer
  }

  /// Whether a trusted proxy says that the client came to it over TLS.
  package func saysTLS(peer: String, forwardedProto: @autoclosure () -> [String]) -> Bool {
    guard !ranges.isEmpty, isTrusted(peer) else { return false }
    return forwardedProto() == ["https"]
  }

  private func isTrusted(_ text: String) -> Bool {
    guard let address = IPAddress(text) else { return false }
    return ranges.contains { $0.contains(address) }
  }
}
