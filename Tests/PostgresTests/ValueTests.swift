import Base
import Postgres
import TestSupport
import Testing

@Suite struct `Values on their way to the server and back` {
  /// Sends a value, has the server write it as text, and reads it back.
  private func check<T: PostgresBindable & PostgresDecodable & Equatable>(
    _ value: T, is text: String?, _ sql: StaticString = "SELECT $1 AS value, $1::text AS text",
    on database: Database, _ location: SourceLocation = #_sourceLocation
  ) async throws {
    let row = try #require(try await database.query(Statement(sql, [value])).rows.first)
    let back: T = try row.decode("value")
    #expect(back == value, sourceLocation: location)
    let written: String? = try row.decode("text")
    if let text { #expect(written == text, sourceLocation: location) }
  }

  @Test func `texts keep every character`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      for text in ["", "a", "ü€😀\u{301}", "'\"\\{},NULL", "a\nb\tc\r", " null ", "\u{7f}\u{1}"] {
        try await check(text, is: text, on: database)
      }
      let long = String(repeating: "0123456789", count: 100_000)
      try await check(long, is: long, on: database)
    }
  }

  @Test func `a text with NUL is refused before anything is sent, and names its place`()
    async throws
  {
    try await withTemporaryDatabase { (database: Database) async throws in
      for statement in [
        Statement("SELECT $1, $2", ["a", "b\0c"]), Statement("SELECT $1, $2", ["a", ["b", "\0"]]),
        Statement("SELECT $1, $2", ["a", Optional("\0")]),
      ] {
        let error = await #expect(throws: PostgresError.self) {
          try await database.query(statement)
        }
        #expect(error == .binding(position: 2, problem: "a text with the character NUL"))
      }
      let error = await #expect(throws: PostgresError.self) {
        try await database.transaction([
          Statement("CREATE TABLE t (x text)"), Statement("INSERT INTO t VALUES ($1)", ["\0"]),
        ])
      }
      #expect(error == .binding(position: 1, problem: "a text with the character NUL"))
      let there = try await database.query(Statement("SELECT to_regclass('t') IS NULL AS gone"))
      #expect(try there.rows[0].decode("gone") == true)
    }
  }

  @Test func `integers keep their extremes`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      for number in [Int64.min, -1, 0, 1, .max] {
        try await check(number, is: String(number), on: database)
      }
      for number in [Int32.min, -1, 0, 1, .max] {
        try await check(number, is: String(number), on: database)
      }
      for number in [Int.min, 0, Int.max] {
        try await check(number, is: String(number), on: database)
      }
      try await check(true, is: "true", on: database)
      try await check(false, is: "false", on: database)
      for number in [0.1, -0.0, .infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude] {
        try await check(number, is: nil, on: database)
      }
      let small = try await database.query(Statement("SELECT 7::smallint AS a, 8::integer AS b"))
      #expect(try small.rows[0].decode("a", as: Int.self) == 7)
      #expect(try small.rows[0].decode("a", as: Int32.self) == 7)
      #expect(try small.rows[0].decode("b", as: Int64.self) == 8)
    }
  }

  @Test func `bytes keep all 256 values`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      let sql: StaticString = "SELECT $1 AS value, encode($1, 'hex') AS text"
      let all = (0...255).map { UInt8($0) }
      try await check(all, is: Hex.encode(all), sql, on: database)
      try await check([UInt8](), is: "", sql, on: database)
    }
  }

  @Test func `moments are exact to the microsecond, whatever the session's time zone`() async throws
  {
    try await withTemporaryDatabase { (database: Database) async throws in
      _ = try await database.query(
        Statement(
          """
          DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET timezone = ''Asia/Kathmandu''',
            current_database()); END $$
          """))
      let sql: StaticString = """
        SELECT $1 AS value, to_char($1 AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS text
        """
      let cases: [(Int64, String)] = [
        (0, "1970-01-01 00:00:00.000000"), (-1, "1969-12-31 23:59:59.999999"),
        (946_684_800_000_000, "2000-01-01 00:00:00.000000"),
        (946_684_799_999_999, "1999-12-31 23:59:59.999999"),
        (1_795_224_435_123_457, "2026-11-21 01:27:15.123457"),
        (253_402_300_799_999_999, "9999-12-31 23:59:59.999999"),
      ]
      for (microseconds, text) in cases {
        try await check(Timestamp(microseconds: microseconds), is: text, sql, on: database)
      }
      await #expect(throws: PostgresError.self) {
        try await database.query(Statement("SELECT $1", [Timestamp(microseconds: .min)]))
      }
      let endless = try await database.query(Statement("SELECT '-infinity'::timestamptz AS value"))
      #expect(throws: PostgresError.decoding(column: "value", expected: "timestamptz")) {
        try endless.rows[0].decode("value", as: Timestamp.self)
      }
    }
  }

  @Test func `durations are intervals`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      try await check(Duration.milliseconds(90_061_001), is: "25:01:01.001", on: database)
      try await check(Duration.seconds(-5), is: "-00:00:05", on: database)
      let row = try await database.query(
        Statement("SELECT interval '2 days 3 seconds' AS days, interval '1 month' AS month")
      ).rows[0]
      #expect(try row.decode("days") == Duration.seconds(172_803))
      #expect(throws: PostgresError.self) { try row.decode("month", as: Duration.self) }
    }
  }

  @Test func `arrays of texts need no quoting`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      let sql: StaticString = "SELECT $1 AS value, array_to_string($1, '|') AS text"
      let odd = ["", "a,b", "{x}", "\"q\"", "back\\slash", "NULL", " ", "ü😀", "'"]
      try await check(odd, is: odd.joined(separator: "|"), sql, on: database)
      try await check([String](), is: "", sql, on: database)
      try await check(
        [Int64.min, 0, .max], is: "-9223372036854775808|0|9223372036854775807", sql, on: database)
      let found = try await database.query(
        Statement("SELECT 'b' = ANY ($1) AS yes, 'c' = ANY ($1) AS no", [["a", "b"]]))
      #expect(try found.rows[0].decode("yes") == true)
      #expect(try found.rows[0].decode("no") == false)
      let withNull = try await database.query(Statement("SELECT ARRAY['a', NULL] AS value"))
      #expect(throws: PostgresError.self) {
        try withNull.rows[0].decode("value", as: [String].self)
      }
      let twoDimensional = try await database.query(
        Statement("SELECT ARRAY[['a'], ['b']] AS value"))
      #expect(throws: PostgresError.self) {
        try twoDimensional.rows[0].decode("value", as: [String].self)
      }
    }
  }

  @Test func `bytes go into arrays as they are`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      let sql: StaticString = "SELECT $1 AS value, array_to_string($1, '|') AS text"
      let all = Array(UInt8.min...UInt8.max)
      let few: [[UInt8]] = [[0, 0xFF], [], [1, 2, 3]]
      try await check(few, is: #"\x00ff|\x|\x010203"#, sql, on: database)
      try await check([[UInt8]](), is: "", sql, on: database)
      try await check([all, all], is: nil, on: database)
    }
  }

  @Test func `JSON documents are read as they were written`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      let documents: [JSONValue] = [
        ["a": 1, "b": [true, nil, "x\"\\\u{1}😀"]], [], nil, "text", .number("9007199254740993"),
        .number("1.50"), .object([]),
      ]
      for document in documents { try await check(document, is: nil, on: database) }
      let plain = try await database.query(Statement("SELECT '{\"k\": 1}'::json AS value"))
      #expect(try plain.rows[0].decode("value", as: JSONValue.self) == ["k": 1])
    }
  }

  @Test func `NULL is only read as an optional`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      let row = try await database.query(
        Statement(
          "SELECT $1 AS a, $2 AS b, $3 AS c, $4 AS d, $5 AS e",
          [
            String?.none, Int?.none, [UInt8]?.none, Timestamp?.none, [String]?.none,
          ])
      ).rows[0]
      #expect(try row.decode("a", as: String?.self) == nil)
      #expect(try row.decode("b", as: Int?.self) == nil)
      #expect(try row.decode("c", as: [UInt8]?.self) == nil)
      #expect(try row.decode("d", as: Timestamp?.self) == nil)
      #expect(try row.decode("e", as: [String]?.self) == nil)
      #expect(throws: PostgresError.decoding(column: "a", expected: "text")) {
        try row.decode("a", as: String.self)
      }
      let some = try await database.query(Statement("SELECT $1 AS a", [Optional(5)]))
      #expect(try some.rows[0].decode("a", as: Int?.self) == 5)
    }
  }

  @Test func `a column of another type or name is an error that names it`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      let row = try await database.query(Statement("SELECT 'x' AS a, 5::bigint AS b")).rows[0]
      #expect(throws: PostgresError.decoding(column: "b", expected: "text")) {
        try row.decode("b", as: String.self)
      }
      #expect(throws: PostgresError.decoding(column: "a", expected: "an integer or NULL")) {
        try row.decode("a", as: Int?.self)
      }
      #expect(throws: PostgresError.decoding(column: "c", expected: "a column of that name")) {
        try row.decode("c", as: Int.self)
      }
    }
  }

  @Test func `random values survive`() async throws {
    try await withTemporaryDatabase { (database: Database) async throws in
      let seed = UInt64.random(in: 0 ... .max)
      var random = SeededGenerator(seed: seed)
      for _ in 0..<count(ordinary: 100, full: 5000) {
        let length = Int.random(in: 0...200, using: &random)
        let bytes = random.bytes(length)
        let texts = (0..<Int.random(in: 0...20, using: &random)).map { _ in
          String(decoding: random.bytes(10), as: UTF8.self).replacing("\0", with: "")
        }
        let number = Int64.random(in: .min ... .max, using: &random)
        let moment = Timestamp(microseconds: number / 100_000)
        let row = try await database.query(
          Statement("SELECT $1 AS a, $2 AS b, $3 AS c, $4 AS d", [bytes, texts, number, moment])
        ).rows[0]
        #expect(try row.decode("a") == bytes, "seed \(seed)")
        #expect(try row.decode("b") == texts, "seed \(seed)")
        #expect(try row.decode("c") == number, "seed \(seed)")
        #expect(try row.decode("d") == moment, "seed \(seed)")
      }
    }
  }
}
