import CPostgres
import Glibc

/// Owns one `PGconn`; `PQfinish` runs exactly once.
///
/// Every call of libpq on a connection is in this file.
@safe final class ConnectionHandle {
  private var raw: OpaquePointer?
  private let notices = NoticeBox()

  /// Begins to connect without blocking; every host must be given as an address.
  ///
  /// - Returns: `nil` when there is no memory.
  init?(connectingTo parameters: [(keyword: String, value: String)]) {
    let connection = unsafe withCStrings(parameters.map(\.keyword)) { keywords in
      unsafe withCStrings(parameters.map(\.value)) { values in
        unsafe PQconnectStartParams(keywords, values, 0)
      }
    }
    guard let connection = unsafe connection else { return nil }
    unsafe raw = connection
    unsafe notices.receive(from: connection)
  }

  deinit { finish() }

  /// Closes the connection.
  ///
  /// Whoever watches its descriptor has stopped before.
  func finish() {
    unsafe PQfinish(raw)
    unsafe raw = nil
  }

  /// The descriptor; changes while connecting.
  ///
  /// Negative when there is none.
  var socket: Int32 { unsafe PQsocket(raw) }

  /// Whether libpq has given the connection up.
  var isBad: Bool { unsafe raw == nil || PQstatus(raw) == CONNECTION_BAD }

  /// Whether the server has been reached: what fails after that was refused by it.
  var hasReachedServer: Bool {
    unsafe raw != nil
      && ![CONNECTION_STARTED, CONNECTION_NEEDED, CONNECTION_BAD].contains(PQstatus(raw))
  }

  /// What libpq says went wrong.
  ///
  /// It names hosts, users and databases, never a password.
  var message: String {
    guard let text = unsafe PQerrorMessage(raw) else { return "" }
    return unsafe String(cString: text)
  }

  /// What a connection attempt waits for.
  enum ConnectStep {
    case readable, writable, done, failed
  }

  /// Goes on with connecting.
  func connectStep() -> ConnectStep {
    switch unsafe PQconnectPoll(raw) {
    case PGRES_POLLING_READING: .readable
    case PGRES_POLLING_WRITING: .writable
    case PGRES_POLLING_OK: .done
    default: .failed
    }
  }

  /// Makes the established connection ready for ``send(_:_:)``.
  func prepare() -> Bool {
    unsafe PQsetnonblocking(raw, 1) == 0 && PQenterPipelineMode(raw) == 1
  }

  /// Queues one statement; it leaves with ``sync()``.
  func send(_ sql: StaticString, _ binds: EncodedBinds) -> Bool {
    unsafe binds.bytes.withUnsafeBufferPointer { buffer in
      let bytes = unsafe buffer.baseAddress.map { unsafe UnsafeRawPointer($0) }
      let values = unsafe binds.offsets.map { offset in
        unsafe offset.flatMap { unsafe bytes?.advanced(by: $0).assumingMemoryBound(to: CChar.self) }
      }
      let formats = unsafe [Int32](repeating: 1, count: values.count)
      return sql.withUTF8Buffer { text in
        guard let start = text.baseAddress else { return false }
        // A literal ends with a NUL that its length does not count.
        return unsafe start.withMemoryRebound(to: CChar.self, capacity: text.count + 1) { command in
          unsafe PQsendQueryParams(
            raw, command, Int32(values.count), binds.types, values, binds.lengths, formats, 1) == 1
        }
      }
    }
  }

  /// Marks the end of what belongs together, and starts to send it.
  func sync() -> Bool { unsafe PQpipelineSync(raw) == 1 }

  /// Sends a text of several statements, outside the pipeline.
  ///
  /// Only for migrations.
  func sendScript(_ text: String) -> Bool {
    unsafe PQexitPipelineMode(raw) == 1 && PQsendQuery(raw, text) == 1
  }

  /// Goes back to the pipeline after a script.
  func endScript() -> Bool { unsafe PQenterPipelineMode(raw) == 1 }

  /// How sending went.
  enum Flush {
    case complete, blocked, failed
  }

  /// Sends what is queued as far as the socket takes it.
  func flush() -> Flush {
    switch unsafe PQflush(raw) {
    case 0: .complete
    case 1: .blocked
    default: .failed
    }
  }

  /// Takes what the socket has; `false` when the connection is lost.
  ///
  /// What came before can still be read.
  ///
  /// With TLS one call may leave bytes that the socket no longer shows (libpq reads 8 KiB of a
  /// record of up to 16 KiB, and only its blocking calls look for the rest), so it is called until
  /// none are left.
  func consume() -> Bool {
    repeat {
      guard unsafe PQconsumeInput(raw) == 1 else { return false }
    } while unsafe cpostgres_hidden_bytes(raw) > 0
    return true
  }

  /// Whether ``nextAnswer()`` would have to wait.
  var isBusy: Bool { unsafe PQisBusy(raw) == 1 }

  /// What the server answered next; to be called only while ``isBusy`` is false.
  func nextAnswer() -> Answer {
    guard let result = unsafe PQgetResult(raw) else { return .endOfStatement }
    defer { unsafe PQclear(result) }
    switch unsafe PQresultStatus(result) {
    case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
      return .result(unsafe QueryResult(copying: result))
    case PGRES_PIPELINE_SYNC:
      return .sync
    case PGRES_PIPELINE_ABORTED:
      return .skipped
    case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE:
      return .error(unsafe ServerError(copying: result))
    default:
      return .unexpected
    }
  }

  /// Warnings and notices since the last call.
  func takeNotices() -> [Notice] { notices.take() }

  /// Whether no transaction is open.
  var isIdle: Bool { unsafe PQtransactionStatus(raw) == PQTRANS_IDLE }
}

/// One thing that the server sent in answer to a pipeline.
enum Answer: Sendable {
  case result(QueryResult)
  case error(ServerError)
  /// The statement was not run, because one before it failed.
  case skipped
  /// The answers to one statement are complete.
  case endOfStatement
  /// Everything up to the synchronisation point is answered.
  case sync
  /// Something that no statement of ours asks for, such as `COPY`.
  case unexpected
}

extension ServerError {
  init(copying result: OpaquePointer) {
    unsafe self.init(
      sqlState: errorField(result, .sqlState), severity: errorField(result, .severity),
      message: errorField(result, .message), constraint: errorField(result, .constraint))
  }
}

extension QueryResult {
  /// Copies everything out of libpq's memory.
  init(copying result: OpaquePointer) {
    let columns = unsafe PQnfields(result)
    let count = unsafe PQntuples(result)
    var bytes: [UInt8] = []
    var ends: [Int] = []
    ends.reserveCapacity(Int(columns) * Int(count))
    for row in 0..<count {
      for column in 0..<columns {
        if unsafe PQgetisnull(result, row, column) == 1 {
          ends.append(~bytes.count)
          continue
        }
        let length = unsafe Int(PQgetlength(result, row, column))
        if let value = unsafe PQgetvalue(result, row, column) {
          unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: value, count: length))
        }
        ends.append(bytes.count)
      }
    }
    let described = (0..<columns).map { column in
      let name = unsafe PQfname(result, column).map { unsafe String(cString: $0) } ?? ""
      return (name: name, type: PostgresType(unsafe PQftype(result, column)))
    }
    let table = ResultTable(columns: described, bytes: bytes, ends: ends)
    rows = (0..<Int(count)).map { Row(table: table, index: $0) }
    affected = unsafe PQcmdTuples(result).flatMap { unsafe Int(String(cString: $0)) } ?? 0
    tag = unsafe PQcmdStatus(result).map { unsafe String(cString: $0) } ?? ""
  }
}

/// Lends the strings as an array of C strings that ends with a null.
private func withCStrings<R>(
  _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> R
) -> R {
  let copies = unsafe strings.map { unsafe strdup($0) }
  defer { unsafe copies.forEach { unsafe free($0) } }
  let pointers = unsafe copies.map { unsafe UnsafePointer($0) } + [nil]
  return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
}
