package import Base

/// What holds for every request of a client.
package struct CurlSettings: Sendable {
  /// A PEM file with authorities that are trusted beside the system's.
  package var caFile: String?
  /// Shown to servers that ask for a certificate; `nil`: none.
  package var clientIdentity: ClientIdentity?
  /// Until the connection stands, name lookup included.
  package var connectTimeout: Duration = .seconds(3)
  /// From there until the TLS handshake is done.
  package var tlsTimeout: Duration = .seconds(5)
  /// Between bytes, either way, while nobody on this side holds them back.
  package var stallTimeout: Duration = .seconds(15)
  /// Status line, header lines and trailers of an answer, interim answers included.
  package var maxHead = ByteCount.kibibytes(64)
  /// How many header lines an answer may have.
  package var maxHeaderFields = 1_000
  /// Up to this length a body whose length is known arrives complete with the head.
  package var collectedBody = ByteCount.kibibytes(64)
  /// How much of a body waits for its reader before the connection is no longer read.
  package var downloadBuffer = ByteCount.kibibytes(256)
  /// How much of a request body waits to be sent before its producer is held back.
  package var uploadBuffer = ByteCount.kibibytes(64)
  /// How many idle connections, and idle libcurl handles, each loop keeps.
  package var maxConnectionsPerLoop = 256
  /// How long a connection may be idle and still be used again; less than the servers' own limit.
  package var maxIdle: Duration = .seconds(55)
  /// How old a connection may be and still be used again, so that address changes are noticed.
  package var maxConnectionAge: Duration = .seconds(600)
  /// The `User-Agent` of requests that bring none.
  package var userAgent: String?

  /// The settings above; change what differs.
  package init() {}

  /// Two PEM files that prove who the client is.
  package struct ClientIdentity: Hashable, Sendable {
    package let certificateFile: String
    package let privateKeyFile: String

    package init(certificateFile: String, privateKeyFile: String) {
      self.certificateFile = certificateFile
      self.privateKeyFile = privateKeyFile
    }
  }
}
