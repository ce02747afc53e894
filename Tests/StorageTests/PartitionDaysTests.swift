import Postgres
import Storage
import TestSupport
import Testing

@Suite struct `Days that are over` {
  @Test(arguments: ["SELECT drop_event_days(1, 1)", "SELECT drop_usage_days(1)"] as [StaticString])
  func `are dropped whatever plan PostgreSQL chooses`(_ drop: StaticString) async throws {
    try await withTemporaryDatabase(Migrations.all) { (database: Database) in
      _ = try await database.query(
        Statement(
          """
          DO $$ DECLARE name text; BEGIN
            FOREACH name IN ARRAY ARRAY['deliveries', 'events', 'usage_minutes'] LOOP
              EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name || '_20200101', name,
                '2020-01-01', '2020-01-02');
            END LOOP;
          END $$
          """))
      // So that it reads all tables' names before it asks whose partitions they are.
      let results = try await database.transaction([
        Statement("SET LOCAL enable_nestloop = off"), Statement("SET LOCAL enable_indexscan = off"),
        Statement("SET LOCAL enable_bitmapscan = off"), Statement(drop),
      ])
      let row = try #require(results.last?.rows.first)
      let name = "\(drop)".contains("event") ? "drop_event_days" : "drop_usage_days"
      #expect(try row.decode(name, as: Int.self) == (name == "drop_event_days" ? 2 : 1))
    }
  }
}
