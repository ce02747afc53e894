package import Base
package import Logging
package import Postgres
package import PrivatePostgres
import Synchronization

/// Databases of tests: one per test, cloned from a template that has the migrations.
package struct TemporaryDatabase: Sendable {
  /// Libpq keywords for the database, as its owner, who is no superuser.
  package let connectionString: Secret<String>
  /// The database's name.
  package let name: String
  package let cluster: PrivateCluster
  /// An open pool of few connections.
  package let database: Database
}

/// Runs the body with a database of its own, and drops that afterwards.
///
/// It has the migrations; the first test with a list makes the template for the others. `adjust`
/// changes the settings of the pool.
package func withTemporaryDatabase<T: Sendable>(
  _ migrations: [Migration] = [], adjust: (inout DatabaseSettings) -> Void = { _ in },
  _ body: (TemporaryDatabase) async throws -> T
) async throws -> T {
  let cluster = try await TestCluster.shared.cluster()
  let template = try await Templates.shared.template(for: migrations, in: cluster)
  let name = Templates.nextName()
  let administrator = Templates.administrator(of: cluster)
  try await DatabaseCreation.create(
    name, owner: PrivateCluster.database, template: template, on: administrator)
  let connectionString = Secret(
    cluster.connectionString(database: name, user: PrivateCluster.database))
  var settings = DatabaseSettings(connectionString: connectionString, connections: 4)
  // Many tests share few cores; whoever tests the limits sets them.
  settings.acquireTimeout = .seconds(20)
  settings.statementTimeout = .seconds(20)
  settings.connectTimeout = .seconds(20)
  adjust(&settings)
  let database = Database(
    settings: settings, reactor: TestCluster.reactor, logger: .quiet)
  let result: Result<T, any Error>
  do {
    result = .success(
      try await body(
        TemporaryDatabase(
          connectionString: connectionString, name: name, cluster: cluster, database: database)))
  } catch {
    result = .failure(error)
  }
  await database.close()
  try await DatabaseCreation.drop(name, on: administrator)
  return try result.get()
}

/// The same, for tests that need nothing but the pool.
package func withTemporaryDatabase<T: Sendable>(
  _ migrations: [Migration] = [], _ body: (Database) async throws -> T
) async throws -> T {
  try await withTemporaryDatabase(migrations) { (temporary: TemporaryDatabase) in
    try await body(temporary.database)
  }
}

/// One template per list of migrations.
private actor Templates {
  static let shared = Templates()
  private static let counter = Atomic<Int>(0)
  private var templates: [(migrations: [Migration], name: Task<String, any Error>)] = []

  static func nextName() -> String {
    "test_\(counter.wrappingAdd(1, ordering: .relaxed).oldValue)"
  }

  func template(for migrations: [Migration], in cluster: PrivateCluster) async throws -> String {
    if let known = templates.first(where: { $0.migrations == migrations }) {
      return try await known.name.value
    }
    // A task, so that tests which ask at the same time wait for the same template.
    let task = Task {
      let name = Self.nextName()
      try await DatabaseCreation.create(
        name, owner: PrivateCluster.database, template: "template0",
        on: Self.administrator(of: cluster))
      let settings = DatabaseSettings(
        connectionString: Secret(
          cluster.connectionString(database: name, user: PrivateCluster.database)))
      let logger = Logger.quiet
      let database = Database(settings: settings, reactor: TestCluster.reactor, logger: logger)
      if !migrations.isEmpty { try await Migrator(migrations, logger: logger).apply(on: database) }
      await database.close()
      return name
    }
    templates.append((migrations, task))
    return try await task.value
  }

  /// A pool of the superuser, which lives as long as the process.
  nonisolated static func administrator(of cluster: PrivateCluster) -> Database {
    administrators.withLock { administrators in
      let text = cluster.connectionString(database: "postgres", user: PrivateCluster.superuser)
      if let known = administrators[text] { return known }
      var settings = DatabaseSettings(connectionString: Secret(text), connections: 4)
      settings.idleConnections = 0
      settings.statementTimeout = .seconds(60)
      settings.acquireTimeout = .seconds(60)
      let database = Database(
        settings: settings, reactor: TestCluster.reactor, logger: .quiet)
      administrators[text] = database
      return database
    }
  }

  private static let administrators = Mutex<[String: Database]>([:])
}

extension TemporaryDatabase {
  /// Makes a role that may connect; it lives as long as the cluster.
  package func createRole(_ name: String) async throws {
    _ = try await Templates.administrator(of: cluster).transaction([
      Statement("SELECT set_config('test.role', $1, true)", [name]),
      Statement(
        "DO $$ BEGIN EXECUTE format('CREATE ROLE %I LOGIN', current_setting('test.role')); END $$"),
    ])
  }

  /// Runs the body with a second pool on the same database.
  package func withDatabase<T: Sendable>(
    as user: String = PrivateCluster.database, adjust: (inout DatabaseSettings) -> Void = { _ in },
    _ body: (Database) async throws -> T
  ) async throws -> T {
    var settings = DatabaseSettings(
      connectionString: Secret(cluster.connectionString(database: name, user: user)), connections: 4
    )
    adjust(&settings)
    return try await withOpenDatabase(settings, body)
  }
}

/// Runs the body with a pool, and closes that afterwards.
package func withOpenDatabase<T: Sendable>(
  _ settings: DatabaseSettings, _ body: (Database) async throws -> T
) async throws -> T {
  let database = Database(settings: settings, reactor: TestCluster.reactor, logger: .quiet)
  let result: Result<T, any Error>
  do { result = .success(try await body(database)) } catch { result = .failure(error) }
  await database.close()
  return try result.get()
}

extension Logger {
  /// For tests whose log nobody reads: errors only.
  package static let quiet: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .error
    return logger
  }()
}
