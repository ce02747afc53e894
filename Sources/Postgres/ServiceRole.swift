/// The role as which the service works: it can change rows, but neither the schema nor the audit
/// trail; what it may do to the schema, functions do for it.
package enum ServiceRole {
  /// Gives the role what the service needs, no more.
  ///
  /// May be repeated; must be after each migration.
  ///
  /// The role must exist; its name is quoted by the server. Rows of the tables in `insertOnly` can
  /// be added and read, but not changed or removed.
  ///
  /// - Throws: `server(sqlState: "42704", …)` when there is no such role.
  package static func grant(
    to role: String, insertOnly: [String] = ["audit"], on database: Database
  ) async throws(PostgresError) {
    _ = try await database.transaction([
      Statement(
        """
        SELECT set_config('latchkey.role', $1, true), set_config('latchkey.insert_only', $2::text[]::text, true)
        """, [role, insertOnly]),
      Statement(grants),
    ])
  }

  /// `DO` takes no parameters, so they come as settings of the transaction; names are quoted by
  /// `%I`.
  private static let grants: StaticString = """
    DO $$
    DECLARE
      grantee text := current_setting('latchkey.role');
      insert_only text[] := current_setting('latchkey.insert_only')::text[];
      found record;
    BEGIN
      EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM %I', current_schema(), grantee);
      EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), grantee);
      FOR found IN
        SELECT c.relname AS name, c.relname = 'schema_migrations' AS read_only,
          c.relname = ANY (insert_only) AS insert_only
        FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v')
          AND NOT c.relispartition
      LOOP
        EXECUTE format('REVOKE ALL ON TABLE %I FROM %I', found.name, grantee);
        EXECUTE format(
          CASE WHEN found.read_only THEN 'GRANT SELECT ON TABLE %I TO %I'
            WHEN found.insert_only THEN 'GRANT SELECT, INSERT ON TABLE %I TO %I'
            ELSE 'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE %I TO %I' END,
          found.name, grantee);
      END LOOP;
      EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO %I', current_schema(), grantee);
      -- What works as their owner is there to be called by the service, and by nobody else.
      FOR found IN
        SELECT p.oid::regprocedure::text AS name FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef
      LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', found.name, grantee);
      END LOOP;
    END
    $$
    """
}
