import Testing

@testable import Postgres

@Suite struct `Answers to one exchange` {
  private static let two = Exchange.transaction([Statement("SELECT 1"), Statement("SELECT 2")])

  private static func result(_ tag: String) -> Answer {
    .result(QueryResult(rows: [], affected: 0, tag: tag))
  }

  private static func error(_ state: String, _ severity: String = "ERROR") -> Answer {
    .error(
      ServerError(sqlState: state, severity: severity, message: "m", constraint: "t_pkey"))
  }

  /// Feeds the answers; `nil` breaks the connection.
  private static func end(_ exchange: Exchange, _ answers: [Answer?]) -> AnswerReader.End? {
    var reader = AnswerReader(exchange)
    for answer in answers {
      guard let answer else { return reader.lost() }
      if let end = reader.read(answer) { return end }
    }
    return nil
  }

  private static func failure(_ end: AnswerReader.End?) -> PostgresError? {
    switch end {
    case .complete(.failure(let error)), .lost(let error): error
    default: nil
    }
  }

  private static let begun: [Answer?] = [result("BEGIN"), .endOfStatement]
  private static let first: [Answer?] = begun + [result("SELECT 1"), .endOfStatement]
  private static let both: [Answer?] = first + [result("SELECT 2"), .endOfStatement]

  @Test func `results are mapped to the statements, without BEGIN and COMMIT`() {
    let end = Self.end(Self.two, Self.both + [Self.result("COMMIT"), .endOfStatement, .sync])
    guard case .complete(.success(let results)) = end else {
      Issue.record("not a success: \(String(describing: end))")
      return
    }
    #expect(results.map(\.tag) == ["SELECT 1", "SELECT 2"])
  }

  @Test func `the first error counts, what is skipped after it does not`() {
    let answers: [Answer?] =
      Self.begun + [
        Self.error("23505"), .endOfStatement, .skipped, .endOfStatement, .skipped, .endOfStatement,
        .sync,
      ]
    #expect(Self.failure(Self.end(Self.two, answers)) == .uniqueViolation(constraint: "t_pkey"))
  }

  @Test func `a COMMIT that is answered with ROLLBACK is an error`() {
    let end = Self.end(Self.two, Self.both + [Self.result("ROLLBACK"), .endOfStatement, .sync])
    guard case .complete(.failure(.server(sqlState: "25P02", _))) = end else {
      Issue.record("taken for a commit: \(String(describing: end))")
      return
    }
  }

  @Test func `a broken connection leaves a transaction that was sent unknown, wherever it breaks`()
  {
    for answers in [[], Self.begun, Self.first, Self.both, Self.both + [Self.result("COMMIT")]] {
      #expect(Self.failure(Self.end(Self.two, answers + [nil])) == .unknownOutcome)
    }
  }

  @Test func `a session that the server ended at an earlier statement has committed nothing`() {
    for state in ["57P01", "25P03", "57P05"] {
      let answers = Self.first + [Self.error(state, "FATAL")]
      #expect(Self.failure(Self.end(Self.two, answers)) == .connectionLost)
    }
  }

  @Test func `a session that the server ended at the commit may have committed`() {
    let answers = Self.both + [Self.error("57P01", "FATAL")]
    #expect(Self.failure(Self.end(Self.two, answers)) == .unknownOutcome)
    let single = Exchange.single(Statement("INSERT …"))
    #expect(Self.failure(Self.end(single, [Self.error("57P01", "FATAL")])) == .unknownOutcome)
  }

  @Test func `what a pooler says of a lost server proves nothing`() {
    for state in ["08P01", "08006", "", "58000"] {
      let answers: [Answer?] = [Self.error(state, "FATAL")]
      #expect(Self.failure(Self.end(Self.two, answers)) == .unknownOutcome)
    }
  }

  @Test func `an open transaction whose connection breaks is certainly not committed`() {
    let inside = Exchange.inside(Statement("SELECT 1"), isFirst: true)
    #expect(Self.failure(Self.end(inside, [nil])) == .connectionLost)
    #expect(Self.failure(Self.end(inside, [Self.error("XX000", "PANIC")])) == .connectionLost)
    #expect(Self.failure(Self.end(.commit, [nil])) == .unknownOutcome)
  }

  @Test func `a commit whose wait for a standby was cut short is not taken for durable`() {
    var reader = AnswerReader(.commit)
    reader.read(
      Notice(
        sqlState: "01000", severity: "WARNING", message: "übersetzt", function: "SyncRepWaitForLSN")
    )
    _ = reader.read(Self.result("COMMIT"))
    #expect(Self.failure(reader.read(.sync)) == .unknownOutcome)
    var other = AnswerReader(.commit)
    other.read(
      Notice(sqlState: "01000", severity: "WARNING", message: "m", function: "exec_stmt_raise"))
    _ = other.read(Self.result("COMMIT"))
    #expect(Self.failure(other.read(.sync)) == nil)
  }

  @Test func `a server that takes no writes is left`() {
    let end = Self.end(Self.two, Self.begun + [Self.error("25006"), .endOfStatement, .sync])
    guard case .readOnly = end else {
      Issue.record("stays with it: \(String(describing: end))")
      return
    }
  }

  @Test(arguments: [
    ("23505", PostgresError.uniqueViolation(constraint: "t_pkey")),
    ("23503", .foreignKeyViolation(constraint: "t_pkey")),
    ("23514", .checkViolation(constraint: "t_pkey")), ("40001", .serialization),
    ("40P01", .serialization), ("53100", .unavailable), ("53300", .unavailable),
    ("42601", .server(sqlState: "42601", message: "m")),
  ])
  func `errors are told apart by their code`(_ state: String, _ expected: PostgresError) {
    let answers: [Answer?] = [Self.error(state), .endOfStatement, .sync]
    #expect(Self.failure(Self.end(.single(Statement("SELECT 1")), answers)) == expected)
  }

  @Test func `a server's message is cut to 200 characters`() {
    let error = ServerError(
      sqlState: "22000", severity: "ERROR", message: String(repeating: "x", count: 1000))
    #expect(
      error.forCaller
        == .server(sqlState: "22000", message: String(repeating: "x", count: 200)))
  }
}
