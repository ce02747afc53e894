package import Base

/// Where the database is, and how long anything may take.
package struct DatabaseSettings: Sendable {
  /// A libpq URI or keywords; several hosts are tried in order.
  package var connectionString: Secret<String>
  /// The most connections at once.
  ///
  /// Keep the sum over all replicas well below the server's `max_connections`.
  package var connections: Int
  /// How many connections are kept open when there is nothing to do.
  package var idleConnections: Int = 1
  /// How long a caller waits for a connection.
  package var acquireTimeout: Duration = .seconds(1)
  /// How many callers may wait at once.
  package var waiters: Int = 1000
  /// From the call to its answer, for one statement or one pipelined transaction, waiting for a
  /// connection included.
  package var statementTimeout: Duration = .seconds(5)
  /// From the call to its end, for one interactive transaction.
  package var transactionTimeout: Duration = .seconds(15)
  /// For each address that is tried.
  package var connectTimeout: Duration = .seconds(3)
  /// After that time a connection that nobody needs is closed.
  package var idleTimeout: Duration = .seconds(60)
  /// Connections are replaced at that age, give or take a tenth.
  package var maxLifetime: Duration = .seconds(1800)
  /// How soon after a failure to connect the next attempt is made, growing to the second value.
  package var backoff: (first: Duration, last: Duration) = (.milliseconds(50), .seconds(2))
  /// Shown in the server's `pg_stat_activity`.
  package var applicationName = "latchkey"

  package init(connectionString: Secret<String>, connections: Int = 8) {
    self.connectionString = connectionString
    self.connections = connections
  }

  /// Finds out whether the connection string can be understood, without connecting.
  package func validate() throws(InvalidConnectionString) {
    _ = try ConnectionParameters(connectionString)
  }

  /// Server settings that end what we no longer wait for.
  ///
  /// Nothing depends on them, and a pooler may drop them.
  var serverSettings: String {
    let patience = statementTimeout.inMilliseconds + 1000
    return "-c statement_timeout=\(patience) -c client_connection_check_interval=2000"
      + " -c idle_in_transaction_session_timeout=\(transactionTimeout.inMilliseconds + 5000)"
  }

  /// What libpq is told unless the connection string says otherwise.
  var fallbackParameters: [String: String] {
    [
      "fallback_application_name": applicationName,
      // A network that swallows everything is noticed in seconds, not in hours.
      "tcp_user_timeout": "10000", "keepalives_idle": "10", "keepalives_interval": "5",
      "keepalives_count": "3",
      // The search for Kerberos tickets blocks, and nobody asked for it.
      "gssencmode": "disable",
    ]
  }
}
