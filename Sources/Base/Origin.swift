/// Scheme, host and port of a server that we call; made from a checked setting, never from a
/// request.
package struct Origin: Hashable, Sendable, CustomStringConvertible {
  package enum Scheme: String, Sendable {
    case http, https
  }

  package let scheme: Scheme
  /// Lower-case name or address, without brackets.
  package let host: String
  package let port: Int

  /// Reads `https://host[:port]`, or `http://` when the host is a loopback address.
  ///
  /// `nil` for anything more or less: a path other than `/`, user info, a query, another scheme.
  package init?(_ text: String) {
    guard let separator = text.firstRange(of: "://") else { return nil }
    guard let scheme = Scheme(rawValue: text[..<separator.lowerBound].lowercased()) else {
      return nil
    }
    var authority = text[separator.upperBound...]
    if authority.hasSuffix("/") { authority.removeLast() }
    guard let (host, port) = Origin.split(authority) else { return nil }
    self.scheme = scheme
    self.host = host
    self.port = port ?? (scheme == .https ? 443 : 80)
    if scheme == .http && !isLoopback { return nil }
  }

  /// The origin of a host that stands in our source, on the usual port.
  package static func https(_ host: StaticString) -> Origin {
    Origin(scheme: .https, host: host.description, port: 443)
  }

  private init(scheme: Scheme, host: String, port: Int) {
    self.scheme = scheme
    self.host = host
    self.port = port
  }

  /// Whether the host can only be this machine: `localhost`, `127.0.0.0/8` or `::1`.
  package var isLoopback: Bool {
    host == "localhost" || host == "::1"
      || (host.hasPrefix("127.") && host.utf8.allSatisfy { $0.isDigit || $0 == UInt8(ascii: ".") })
  }

  /// `scheme://host[:port]`, the port only when it is not the scheme's own.
  package var text: String { "\(scheme.rawValue)://\(authority)" }

  /// `host[:port]`, as it stands in a `Host` header.
  package var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (scheme == .https ? 443 : 80) ? name : "\(name):\(port)"
  }

  package var description: String { text }

  private static func split(_ authority: Substring) -> (host: String, port: Int?)? {
    var host = authority
    var port: Int?
    if let close = authority.lastIndex(of: "]") {
      guard authority.hasPrefix("[") else { return nil }
      host = authority[authority.index(after: authority.startIndex)..<close]
      let rest = authority[authority.index(after: close)...]
      guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
      if !rest.isEmpty { port = Int(rest.dropFirst()) }
      guard rest.isEmpty || port != nil, host.utf8.allSatisfy(isAddressByte) else { return nil }
    } else {
      let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count <= 2 else { return nil }
      host = parts[0]
      if parts.count == 2 {
        guard let number = Int(parts[1]) else { return nil }
        port = number
      }
      guard host.utf8.allSatisfy(isNameByte) else { return nil }
    }
    guard !host.isEmpty, host.utf8.count <= 253, port.map({ (1...65535).contains($0) }) ?? true
    else { return nil }
    return (host.lowercased(), port)
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte.isLetterOrDigit || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
  }

  private static func isAddressByte(_ byte: UInt8) -> Bool {
    Hex.value(byte) != nil || byte == UInt8(ascii: ":")
  }
}

extension UInt8 {
  var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

  var isLetterOrDigit: Bool {
    isLowercaseOrDigit || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self)
  }
}
