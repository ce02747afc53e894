package import Base

/// What a client may cost a listener, in bytes and in time.
///
/// A client that is slower than a rate allows is cut; one that we slow down (because nobody reads
/// its body yet) is not.
package struct GuardLimits: Sendable {
  /// Request line and fields together, with their line ends.
  package var head = ByteCount.kibibytes(16)
  package var fields = 100
  /// The largest request body; `nil` leaves it to the handler.
  package var body: ByteCount?
  /// From the first byte of a head to its last; on TLS also from accept to the end of the
  /// handshake.
  package var headTime = Duration.seconds(10)
  /// What a body may take before ``bodyRate`` counts.
  package var bodyGrace = Duration.seconds(10)
  /// The slowest body, in bytes per second.
  package var bodyRate = 1024
  /// The longest silence within a body.
  package var bodyStall = Duration.seconds(10)
  /// What a client may take to read an answer before ``writeRate`` counts.
  package var writeGrace = Duration.seconds(10)
  /// The slowest reader, in bytes per second.
  package var writeRate = 1024
  /// The longest time in which a reader takes nothing at all.
  package var writeStall = Duration.seconds(30)
  /// How long after an answer it is looked whether the client has taken what the kernel holds of
  /// it.
  package var writeLook = Duration.seconds(2)
  /// How often a slow reader is looked at.
  package var writeCheck = Duration.seconds(1)
  /// How long a connection may wait for its next request.
  package var idle = Duration.seconds(60)
  /// How long a closing connection waits for the client to close its side, so that it reads the
  /// last answer.
  package var linger = Duration.seconds(2)
  /// From the end of the client's sending to the cancellation of its request: clients that
  /// half-close and wait get what is quick.
  package var disconnectGrace = Duration.milliseconds(500)
  /// Open connections of a listener; one more gets 503 and is closed.
  package var connections = 16_000
  /// Connections beyond ``connections`` that get that 503; further ones are closed without a word.
  package var refusedConnections = 256
  /// Requests of one connection, after which it is closed.
  package var requestsPerConnection = 100
  /// Requests in flight of a listener; one more gets 503.
  package var requestsInFlight = 4096

  package init() {}

  /// Limits of a listener that anyone may reach: bodies up to 64 KiB, which have 5 s to arrive,
  /// however busily they do.
  package static var publicListener: GuardLimits {
    var limits = GuardLimits()
    limits.body = .kibibytes(64)
    limits.bodyGrace = .seconds(5)
    limits.bodyRate = .max
    return limits
  }

  /// Limits of a listener for services that keep their connections; the gateway bounds bodies
  /// itself.
  package static var internalListener: GuardLimits {
    var limits = GuardLimits()
    limits.requestsPerConnection = .max
    return limits
  }
}
