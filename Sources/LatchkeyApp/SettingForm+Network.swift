package import Base
import NIOCore

/// Where a listener binds.
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
  /// An IP address without brackets; `localhost` has become `127.0.0.1`.
  package let host: String
  /// 0 lets the system choose.
  package let port: Int

  init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let digits = text[text.index(after: colon)...]
    guard let port = UInt16(digits), digits.utf8.allSatisfy(\.isASCIIDigit) else { return nil }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
      guard host.contains(":") else { return nil }
    } else if host.contains(":") {
      return nil
    }
    if host.lowercased() == "localhost" { host = "127.0.0.1" }
    guard isIPAddress(host) else { return nil }
    self.host = host
    self.port = Int(port)
  }

  /// Whether only this machine can connect.
  package var isLoopback: Bool { host == "::1" || host.hasPrefix("127.") }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The page of a front end that a merchant is sent to, query and fragment excluded.
package struct WebAddress: Hashable, Sendable, CustomStringConvertible {
  package let origin: Origin
  /// The path, `/` when none was given.
  package let path: String

  package init?(_ text: String) {
    guard let scheme = text.firstRange(of: "://") else { return nil }
    let rest = text[scheme.upperBound...]
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    guard let origin = Origin(String(text[..<slash])), text.isToken else { return nil }
    let path = rest[slash...]
    guard !path.utf8.contains(where: { "?#\\\"<>^`{|}".utf8.contains($0) }) else { return nil }
    self.origin = origin
    self.path = path.isEmpty ? "/" : String(path)
  }

  package var description: String { origin.text + path }
}

/// Whether the text is an IPv4 or IPv6 address, and nothing else.
func isIPAddress(_ text: String) -> Bool {
  guard text.utf8.allSatisfy({ $0.isASCIIHexDigit || $0 == 0x2E || $0 == 0x3A }) else {
    return false
  }
  do {
    _ = try SocketAddress(ipAddress: text, port: 0)
    return true
  } catch {
    return false
  }
}

extension SettingForm where Value == ListenAddress {
  static let address = SettingForm(
    expectation: "address:port, for example 127.0.0.1:8080 or [::]:8080",
    read: { ListenAddress($0) }, write: { $0.description })
}

extension SettingForm where Value == Origin {
  static let origin = SettingForm(
    expectation: "an origin such as https://app.example.com without a path; http only for loopback",
    read: { Origin($0) }, write: { $0.text })
}

extension SettingForm where Value == WebAddress {
  static let page = SettingForm(
    expectation:
      "an address such as https://app.example.com/start without query; http only for loopback",
    read: { WebAddress($0) }, write: { $0.description })
}

extension SettingForm where Value == String {
  /// A link that a merchant may follow.
  static let supportLink = SettingForm(
    expectation: "an https: or mailto: address",
    read: { text in
      if let page = WebAddress(text) { return page.description }
      let address = text.dropFirst("mailto:".count)
      let parts = address.split(separator: "@", omittingEmptySubsequences: false)
      let isMail =
        text.hasPrefix("mailto:") && parts.count == 2 && parts.allSatisfy { !$0.isEmpty }
        && text.isToken && !address.utf8.contains { "\"<>\\?&".utf8.contains($0) }
      return isMail ? text : nil
    },
    write: { $0 })
}

extension SettingForm where Value == [String] {
  /// Addresses or blocks in CIDR notation, separated by commas or spaces.
  static let networks = SettingForm(
    expectation: "IP addresses or blocks such as 10.0.0.0/8, separated by commas",
    read: { text in
      let parts = text.split { $0 == "," || $0 == " " }.map(String.init)
      return !parts.isEmpty && parts.count <= 100 && parts.allSatisfy(isNetwork) ? parts : nil
    },
    write: { $0.joined(separator: ",") })

  /// Sources of a `frame-ancestors` directive, separated by spaces.
  static let frameAncestors = SettingForm(
    expectation: "origins such as https://*.example.com separated by spaces, or 'self', or 'none'",
    read: { text in
      let parts = text.split(separator: " ").map(String.init)
      guard !parts.isEmpty, parts.allSatisfy(isFrameSource) else { return nil }
      return parts.contains("'none'") && parts.count > 1 ? nil : parts
    },
    write: { $0.joined(separator: " ") })

  private static func isNetwork(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, isIPAddress(String(parts[0])) else { return false }
    guard parts.count == 2 else { return true }
    let longest = parts[0].contains(":") ? 128 : 32
    guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy(\.isASCIIDigit) else {
      return false
    }
    return Int(parts[1]).map { $0 <= longest } ?? false
  }

  private static func isFrameSource(_ text: String) -> Bool {
    if text == "'self'" || text == "'none'" { return true }
    return Origin(text.replacing("://*.", with: "://any.", maxReplacements: 1)) != nil
  }
}
