import Linux

/// Where the programs of one PostgreSQL version are.
struct ServerPrograms: Equatable, Sendable {
  /// The directory with `initdb`, `pg_ctl` and `postgres`.
  let directory: String
  /// The major version, for example `15`; empty when the place does not tell.
  let version: String

  func path(_ program: String) -> String { directory + "/" + program }

  /// The programs that made the cluster, or the newest for a new one.
  ///
  /// `version` is what the cluster's `PG_VERSION` says, `nil` for a new cluster.
  static func find(
    for version: String?, in places: [ServerPrograms]
  ) throws(PrivatePostgresError) -> ServerPrograms {
    guard let newest = places.max(by: { $0.number < $1.number }) else { throw .notInstalled }
    guard let version else { return newest }
    if let match = places.first(where: { $0.version == version }) { return match }
    // The version of programs in PATH is not known from their place; they say so themselves.
    if let unknown = places.first(where: { $0.version.isEmpty }) { return unknown }
    throw .versionMissing(needed: version, installed: places.map(\.version))
  }

  /// All places of this machine: Debian's, then the directories of `PATH`.
  static func installed(path: String) -> [ServerPrograms] {
    let root = "/usr/lib/postgresql"
    let packaged = ((try? Directory.names(in: root)) ?? [])
      .filter { Int($0) != nil }
      .map { ServerPrograms(directory: "\(root)/\($0)/bin", version: $0) }
    let others = path.split(separator: ":")
      .map { ServerPrograms(directory: String($0), version: "") }
    return (packaged + others).filter { programs in
      ["initdb", "pg_ctl", "postgres"].allSatisfy { Directory.facts(programs.path($0)) != nil }
    }
  }

  private var number: Int { Int(version) ?? 0 }
}
