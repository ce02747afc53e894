import CPostgres

/// A warning or notice that the server sent beside its answers.
struct Notice: Equatable, Sendable {
  let sqlState: String
  /// Never translated.
  let severity: String
  let message: String
  /// The function of the server that sent it.
  let function: String

  /// Whether a commit was made durable here, but its wait for a standby was cut short.
  ///
  /// The warning's text is translated and its code is that of any warning; the function that sends
  /// it is not.
  var saysThatReplicationIsUnknown: Bool {
    sqlState == "01000" && function == "SyncRepWaitForLSN"
  }
}

/// Collects what libpq's notice receiver is called with; used on the connection's loop only.
final class NoticeBox {
  private var notices: [Notice] = []

  /// What has come since the last call.
  func take() -> [Notice] {
    guard !notices.isEmpty else { return [] }
    defer { notices = [] }
    return notices
  }

  /// Makes libpq call this box; it must live as long as the connection.
  func receive(from connection: OpaquePointer) {
    unsafe PQsetNoticeReceiver(
      connection,
      { context, result in
        guard let context = unsafe context, let result = unsafe result else { return }
        let box = unsafe Unmanaged<NoticeBox>.fromOpaque(context).takeUnretainedValue()
        unsafe box.add(result)
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  private func add(_ result: OpaquePointer) {
    notices.append(
      Notice(
        sqlState: unsafe errorField(result, .sqlState),
        severity: unsafe errorField(result, .severity),
        message: unsafe errorField(result, .message),
        function: unsafe errorField(result, .function)))
  }
}

/// The fields of an error or notice that we look at (`postgres_ext.h`).
enum ErrorField: Unicode.Scalar {
  case severity = "V"
  case sqlState = "C"
  case message = "M"
  case constraint = "n"
  case function = "R"
}

/// The field's text, empty when the server sent none.
func errorField(_ result: OpaquePointer, _ field: ErrorField) -> String {
  guard let text = unsafe PQresultErrorField(result, Int32(field.rawValue.value)) else { return "" }
  return unsafe String(cString: text)
}
