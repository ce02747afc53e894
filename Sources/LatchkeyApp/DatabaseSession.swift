import Base
import Linux
package import Logging
import NIOCore
package import NIOPosix
package import Postgres
import PrivatePostgres
package import Reactor
import Storage
package import Vault

/// Why a command cannot work with the database; the text says what to do.
package struct StartProblem: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) {
    self.description = description
  }
}

/// The database with everything it stands on: event loops, reactor, private cluster, pool.
package struct DatabaseSession: Sendable {
  package let database: Database
  package let keyring: Keyring
  package let reactor: Reactor
  package let loops: MultiThreadedEventLoopGroup

  /// Opens the database of the settings, runs the body, and closes everything again.
  ///
  /// With the private PostgreSQL the cluster is started or adopted, and its schema brought up to
  /// date.
  package static func with<Value: Sendable>(
    _ core: CoreSettings, logger: Logger, threads: Int = 1,
    _ body: @escaping @Sendable (DatabaseSession) async throws -> Value
  ) async throws -> Value {
    let loops = MultiThreadedEventLoopGroup(numberOfThreads: threads)
    let reactor = try Reactor(loops: Array(loops.makeIterator()))
    let result: Result<Value, any Error>
    do {
      result = .success(try await opened(core, logger, reactor, loops, body))
    } catch {
      result = .failure(error)
    }
    await reactor.shutdown()
    try await loops.shutdownGracefully()
    return try result.get()
  }

  /// For commands that need no more than the database and the keyring.
  package static func with<Value: Sendable>(
    _ core: CoreSettings, _ body: @escaping @Sendable (Database, Keyring) async throws -> Value
  ) async throws -> Value {
    try await with(core, logger: Logger(label: "latchkey")) { session in
      try await body(session.database, session.keyring)
    }
  }

  private static func opened<Value: Sendable>(
    _ core: CoreSettings, _ logger: Logger, _ reactor: Reactor,
    _ loops: MultiThreadedEventLoopGroup,
    _ body: @escaping @Sendable (DatabaseSession) async throws -> Value
  ) async throws -> Value {
    switch core.database {
    case .external(let connectionString, let connections):
      let keyring = try core.encryptionKey.keyring()
      return try await pooled(
        DatabaseSettings(connectionString: connectionString, connections: connections), reactor,
        logger
      ) { database in
        try await body(
          DatabaseSession(database: database, keyring: keyring, reactor: reactor, loops: loops))
      }
    case .ownCluster(let connections):
      let cluster = PrivateCluster(directory: core.clusterDirectory, logger: logger)
      let connectionString = try await cluster.start()
      do {
        let keyring = try core.encryptionKey.keyring()
        let value = try await pooled(
          DatabaseSettings(
            connectionString: Secret(connectionString), connections: connections), reactor, logger
        ) { database in
          _ = try await Migrator(Migrations.all, logger: logger).apply(on: database)
          return try await body(
            DatabaseSession(database: database, keyring: keyring, reactor: reactor, loops: loops))
        }
        try await cluster.stop()
        return value
      } catch {
        try await cluster.stop()
        throw error
      }
    }
  }

  /// Keeps the pool alive beside the body.
  private static func pooled<Value: Sendable>(
    _ settings: DatabaseSettings, _ reactor: Reactor, _ logger: Logger,
    _ body: @escaping @Sendable (Database) async throws -> Value
  ) async throws -> Value {
    let database = Database(settings: settings, reactor: reactor, logger: logger)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await database.run() }
      let result: Result<Value, any Error>
      do {
        result = .success(try await body(database))
      } catch {
        result = .failure(error)
      }
      await database.close()
      group.cancelAll()
      return try result.get()
    }
  }
}
