/// One SQL statement and the values of its parameters.
///
/// The text is a literal of the source, so that nothing can be put into it; values go beside it.
package struct Statement: Sendable {
  let sql: StaticString
  let binds: [any PostgresBindable]

  /// - Parameters:
  ///   - sql: one statement, parameters as `$1`, `$2` …
  ///   - binds: the values in that order. Each has the type that ``PostgresBindable`` gives it;
  ///     where the statement needs another one, it casts: `$1::integer`.
  package init(_ sql: StaticString, _ binds: [any PostgresBindable] = []) {
    self.sql = sql
    self.binds = binds
  }

  static let begin = Statement("BEGIN")
  static let commit = Statement("COMMIT")
  static let rollback = Statement("ROLLBACK")
}

/// A value that can be the parameter of a statement.
package protocol PostgresBindable: Sendable {
  /// The type that the server is told.
  static var postgresType: PostgresType { get }

  /// Appends the value in the server's binary format.
  ///
  /// - Returns: `false` for NULL; nothing is appended then.
  func encode(into bytes: inout [UInt8]) throws(BindProblem) -> Bool
}

/// Why a value cannot be sent.
package struct BindProblem: Error, Equatable {
  package let problem: String

  package init(_ problem: String) {
    self.problem = problem
  }
}

/// The parameters of one statement as libpq takes them.
struct EncodedBinds {
  /// All values one after the other; a last byte keeps it from being empty.
  private(set) var bytes: [UInt8] = []
  private(set) var types: [UInt32] = []
  /// Where each value begins, `nil` for NULL.
  private(set) var offsets: [Int?] = []
  private(set) var lengths: [Int32] = []

  /// The most that the protocol's counter can say.
  static let most = 65535

  init(_ binds: [any PostgresBindable]) throws(PostgresError) {
    guard binds.count <= Self.most else {
      throw .binding(position: binds.count, problem: "more than \(Self.most) parameters")
    }
    for (index, value) in binds.enumerated() {
      let start = bytes.count
      do throws(BindProblem) {
        let isThere = try value.encode(into: &bytes)
        offsets.append(isThere ? start : nil)
      } catch {
        throw .binding(position: index + 1, problem: error.problem)
      }
      types.append(type(of: value).postgresType.objectID)
      lengths.append(Int32(bytes.count - start))
    }
    bytes.append(0)
  }
}
