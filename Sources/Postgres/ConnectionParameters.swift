import Base
import CPostgres

/// Where a server may be, as the connection string names it.
struct Endpoint: Hashable, Sendable {
  /// A host name, an address, or the directory of a Unix socket (begins with `/` or `@`).
  let host: String
  /// An address that needs no look-up; empty when there is none.
  let address: String
  let port: String

  var isUnixSocket: Bool { host.hasPrefix("/") || host.hasPrefix("@") }
}

/// An endpoint with an address that libpq need not look up.
struct Target: Hashable, Sendable {
  let endpoint: Endpoint
  /// Empty for a Unix socket.
  let address: String
}

/// A connection string in its parts.
struct ConnectionParameters: Sendable {
  /// Where servers may be, in the order of preference.
  let endpoints: [Endpoint]
  /// Everything but host, address and port.
  private let others: Secret<[String: String]>
  /// Whether the user has chosen server settings of his own for the session.
  let targetSession: String

  /// Reads a libpq URI or keywords, which are never shown: libpq's own complaints would quote them.
  init(_ text: Secret<String>) throws(InvalidConnectionString) {
    var values = try Self.parse(text.expose())
    guard values["service"] == nil else { throw .serviceFile }
    let defaults = Self.defaults()
    let hosts = Self.list(values["host"] ?? (values["hostaddr"] == nil ? defaults["host"] : nil))
    let addresses = Self.list(
      values["hostaddr"] ?? (values["host"] == nil ? defaults["hostaddr"] : nil))
    let ports = Self.list(values["port"] ?? defaults["port"])
    endpoints = try Self.endpoints(hosts: hosts, addresses: addresses, ports: ports)
    for keyword in ["host", "hostaddr", "port", "connect_timeout"] { values[keyword] = nil }
    targetSession = values["target_session_attrs"] ?? "any"
    others = Secret(values)
  }

  /// What libpq gets for one attempt.
  ///
  /// `settings` are server settings for the session as `-c name=value`, where the user's own win;
  /// `session` says what the server must be, in the words of `target_session_attrs`; `fallback` is
  /// for what the user did not mention.
  func keywords(
    for target: Target, settings: String?, session: String, fallback: [String: String]
  ) -> [(keyword: String, value: String)] {
    var values = fallback.merging(others.expose()) { _, chosen in chosen }
    values["host"] = target.endpoint.host
    values["hostaddr"] = target.address.isEmpty ? nil : target.address
    values["port"] = target.endpoint.port
    values["target_session_attrs"] = session
    if let settings {
      values["options"] = [settings, values["options"]].compactMap { $0 }.joined(separator: " ")
    }
    return values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  private static func parse(_ text: String) throws(InvalidConnectionString) -> [String: String] {
    var message: UnsafeMutablePointer<CChar>?
    let options = unsafe PQconninfoParse(text, &message)
    // It quotes the text, so it is not even looked at.
    unsafe PQfreemem(message)
    guard let options = unsafe options else { throw .malformed }
    defer { unsafe PQconninfoFree(options) }
    return unsafe dictionary(options)
  }

  /// What libpq would take for a host and port that are not given: environment, then built-in.
  private static func defaults() -> [String: String] {
    guard let options = unsafe PQconndefaults() else { return [:] }
    defer { unsafe PQconninfoFree(options) }
    return unsafe dictionary(options)
  }

  private static func dictionary(
    _ options: UnsafeMutablePointer<PQconninfoOption>
  ) -> [String: String] {
    var values: [String: String] = [:]
    var option = unsafe options
    while let keyword = unsafe option.pointee.keyword {
      if let value = unsafe option.pointee.val, unsafe value.pointee != 0 {
        unsafe values[String(cString: keyword)] = unsafe String(cString: value)
      }
      unsafe option += 1
    }
    return values
  }

  private static func list(_ text: String?) -> [String] {
    guard let text else { return [] }
    return text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  private static func endpoints(
    hosts: [String], addresses: [String], ports: [String]
  ) throws(InvalidConnectionString) -> [Endpoint] {
    let count = max(hosts.count, addresses.count, 1)
    guard hosts.isEmpty || addresses.isEmpty || hosts.count == addresses.count else {
      throw .hostCount
    }
    guard ports.count <= 1 || ports.count == count else { throw .hostCount }
    return (0..<count).map { index in
      let host = hosts.isEmpty ? "" : hosts[index]
      let address = addresses.isEmpty ? "" : addresses[index]
      let port = ports.isEmpty ? "5432" : ports[ports.count == 1 ? 0 : index]
      return Endpoint(
        host: host.isEmpty && address.isEmpty ? defaultSocketDirectory : host, address: address,
        port: port.isEmpty ? "5432" : port)
    }
  }

  /// Where Debian's server puts its socket.
  private static let defaultSocketDirectory = "/var/run/postgresql"
}

/// Why a connection string cannot be used.
///
/// Nothing of the string is in it.
package enum InvalidConnectionString: Error, Equatable, CustomStringConvertible {
  /// Neither a URI nor keywords that libpq understands.
  case malformed
  /// Different numbers of hosts, addresses or ports.
  case hostCount
  /// `service=` is not supported: its hosts would be looked up while everything waits.
  case serviceFile

  package var description: String {
    switch self {
    case .malformed: "not a PostgreSQL URI (postgresql://…) and not a list of keywords (host=… …)"
    case .hostCount: "the numbers of hosts, addresses and ports differ"
    case .serviceFile: "service= is not supported; name host, port, dbname and user"
    }
  }
}
