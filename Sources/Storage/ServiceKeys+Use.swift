import Postgres

/// When a key was last used.
package struct ServiceKeyUse: Hashable, Sendable {
  package let id: String
  /// Whole minutes since 1970.
  package let minute: Int64

  package init(id: String, minute: Int64) {
    self.id = id
    self.minute = minute
  }
}

extension ServiceKeys {
  /// How many keys one statement writes at most.
  private static let useBatch = 1000

  /// Notes when keys were last used, unless something later is known.
  ///
  /// It takes no change number, and the rows in the order of their IDs, so that replicas that write
  /// at once wait for each other.
  package func noteUse(_ uses: [ServiceKeyUse]) async throws(ServiceKeyError) {
    var rest = uses[...]
    while !rest.isEmpty {
      let batch = rest.prefix(Self.useBatch)
      rest = rest.dropFirst(Self.useBatch)
      _ = try await run(
        Statement(
          """
          WITH used AS (
            SELECT key_id, to_timestamp(minute * 60) AS at
            FROM unnest($1::text[], $2::bigint[]) AS used (key_id, minute)
          ), due AS (
            SELECT key_id, used.at FROM service_keys JOIN used USING (key_id)
            WHERE last_used_at IS NULL OR last_used_at < used.at
            ORDER BY key_id FOR NO KEY UPDATE OF service_keys
          )
          UPDATE service_keys SET last_used_at = due.at FROM due
          WHERE service_keys.key_id = due.key_id
          """, [batch.map(\.id), batch.map(\.minute)]))
    }
  }
}
