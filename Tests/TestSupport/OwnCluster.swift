import Base
import Linux
package import Postgres
package import PrivatePostgres

/// Runs the body with a cluster that nobody else uses, for tests that hurt it; it ends with the
/// body.
package func withOwnCluster<T: Sendable>(
  _ settings: ClusterSettings = ClusterSettings(isThrowaway: true),
  _ body: (PrivateCluster) async throws -> T
) async throws -> T {
  let directory = try temporaryDirectory("own")
  let cluster = PrivateCluster(
    directory: directory + "/postgres", settings: settings, logger: .quiet)
  try await cluster.start()
  let result: Result<T, any Error>
  do { result = .success(try await body(cluster)) } catch { result = .failure(error) }
  cluster.signalAll(.resume)
  try await cluster.stop(.immediate)
  return try result.get()
}

extension PrivateCluster {
  /// What can be done to the processes of a server.
  package enum ProcessSignal: Sendable {
    /// They stand still, and their sockets stay.
    case suspend
    case resume
    /// They end without a word.
    case kill
  }

  /// Does it to the server and all its children.
  package nonisolated func signalAll(_ signal: ProcessSignal) {
    // Children come and go: the second look finds those that were made during the first.
    for _ in 0..<2 {
      for process in ServerProcesses.inside(dataDirectory) { signal.send(to: process) }
    }
  }

  /// How the service would connect to this cluster.
  package nonisolated func databaseSettings(connections: Int = 4) -> DatabaseSettings {
    DatabaseSettings(
      connectionString: Secret(
        connectionString(database: PrivateCluster.database, user: PrivateCluster.database)),
      connections: connections)
  }

  /// How an administrator would connect to this cluster.
  package nonisolated func administratorSettings() -> DatabaseSettings {
    DatabaseSettings(
      connectionString: Secret(
        connectionString(database: PrivateCluster.database, user: PrivateCluster.superuser)),
      connections: 2)
  }
}
