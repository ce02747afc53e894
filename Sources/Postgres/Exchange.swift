/// Something that is sent to the server in one write and answered as a whole.
struct Exchange: Sendable {
  /// What is sent.
  enum Content: Sendable {
    /// Statements with one synchronisation point after the last.
    case pipeline([Statement])
    /// Several statements in one text, for migrations.
    case script(String)
  }

  let content: Content
  /// Which statement makes its work durable when it succeeds; `nil` when none does.
  let commitsAt: Int?
  /// How many results at the start and at the end are of no interest to the caller.
  let hidden: (first: Int, last: Int)
  /// Whether a cancelled task leaves before the answer is there: only where nothing can have been
  /// committed.
  var mayBeAbandoned = false

  /// One statement, durable when it succeeds.
  static func single(_ statement: Statement) -> Exchange {
    Exchange(content: .pipeline([statement]), commitsAt: 0, hidden: (0, 0))
  }

  /// All statements, or none of them.
  static func transaction(_ statements: [Statement]) -> Exchange {
    Exchange(
      content: .pipeline([.begin] + statements + [.commit]), commitsAt: statements.count + 1,
      hidden: (1, 1))
  }

  /// A statement of an open transaction; opens it when it is the first.
  static func inside(_ statement: Statement, isFirst: Bool) -> Exchange {
    Exchange(
      content: .pipeline(isFirst ? [.begin, statement] : [statement]), commitsAt: nil,
      hidden: (isFirst ? 1 : 0, 0), mayBeAbandoned: true)
  }

  /// The end of an open transaction.
  static let commit = Exchange(content: .pipeline([.commit]), commitsAt: 0, hidden: (0, 1))
  static let rollback = Exchange(content: .pipeline([.rollback]), commitsAt: nil, hidden: (0, 1))

  /// A migration's text inside an open transaction.
  static func script(_ text: String) -> Exchange {
    Exchange(content: .script(text), commitsAt: nil, hidden: (0, 0), mayBeAbandoned: true)
  }

  /// What to say when the connection is lost, or the deadline passes, before the answer is
  /// complete.
  var whenLost: PostgresError { commitsAt == nil ? .connectionLost : .unknownOutcome }
}

/// Maps the server's answers to the statements of one exchange.
///
/// No input or output.
struct AnswerReader {
  private let commitsAt: Int?
  private let hidden: (first: Int, last: Int)
  private let isScript: Bool
  private var results: [QueryResult] = []
  /// How many statements have been answered completely.
  private var answered = 0
  private var firstError: ServerError?
  private var replicationUnknown = false
  private var unexpected = false

  init(_ exchange: Exchange) {
    commitsAt = exchange.commitsAt
    hidden = exchange.hidden
    if case .script = exchange.content { isScript = true } else { isScript = false }
  }

  /// What the exchange came to.
  enum End {
    /// All is answered; the connection is as good as before, unless the server ended it.
    case complete(Result<[QueryResult], PostgresError>)
    /// The connection is of no use any more.
    case lost(PostgresError)
    /// The server takes no writes: the connection leads to the wrong one.
    case readOnly
  }

  /// - Returns: the end, once there is nothing more to come.
  mutating func read(_ answer: Answer) -> End? {
    switch answer {
    case .result(let result):
      results.append(result)
    case .error(let error):
      if firstError == nil { firstError = error }
      if !error.isOrdinary { return end(lostBy: error) }
    case .skipped:
      break
    case .endOfStatement:
      answered += 1
      if isScript { return end() }
    case .sync:
      return end()
    case .unexpected:
      unexpected = true
    }
    return nil
  }

  /// Notices count as long as the exchange is not over.
  mutating func read(_ notice: Notice) {
    if notice.saysThatReplicationIsUnknown { replicationUnknown = true }
  }

  /// The connection broke off.
  func lost() -> End { .lost(commitsAt == nil ? .connectionLost : .unknownOutcome) }

  private func end(lostBy error: ServerError) -> End {
    guard let commitsAt else { return .lost(.connectionLost) }
    // The server answers in order: what ends the session at an earlier statement comes before the
    // commit.
    let isBeforeCommit = answered < commitsAt && error.endedSessionBetweenCommits
    return .lost(isBeforeCommit ? .connectionLost : .unknownOutcome)
  }

  private func end() -> End {
    if unexpected { return lost() }
    if replicationUnknown { return .complete(.failure(.unknownOutcome)) }
    if let firstError {
      return firstError.isReadOnly ? .readOnly : .complete(.failure(firstError.forCaller))
    }
    if let commitsAt, commitsAt > 0 || hidden.last > 0, results.last?.tag != "COMMIT" {
      let message = "COMMIT was answered with \(results.last?.tag ?? "nothing")"
      return .complete(.failure(.server(sqlState: "25P02", message: message)))
    }
    return .complete(.success(Array(results.dropFirst(hidden.first).dropLast(hidden.last))))
  }
}
