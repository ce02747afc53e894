import Base
import HTTPTypes
import Hummingbird
import NIOCore

/// The stores of a filter as a file, written page by page as they are read.
///
/// One page is in memory at a time, and the next is read when the browser has taken the one before.
struct StoresDownload: Sendable {
  enum Form: String, Sendable {
    case csv, json
  }

  private static let columns = [
    "store_hash", "app", "state", "labels", "scopes", "missing_scopes", "generation", "source",
    "installed_at", "token_stored_at", "token_verified_at", "state_changed_at", "suspended_at",
    "uninstalled_at", "last_call_at", "name", "domain",
  ]

  private let api: ConsoleAPI
  private let query: [(String, String)]

  init(_ request: ConsoleRequest) {
    api = request.api
    query = request.query.only(StoresPages.filters + ["sort"]) + [("limit", "500")]
  }

  /// - Throws: what the API refuses the first page with; a later failure cuts the file off.
  func response(_ form: Form) async throws(Problem) -> Response {
    let first = try await page(after: nil)
    let body = ResponseBody { writer in
      var page = first
      var isFirst = true
      if form == .csv {
        try await writer.write(ByteBuffer(string: CSV.row(Self.columns)))
      }
      while true {
        try await writer.write(ByteBuffer(bytes: Self.part(page, form, isFirst: isFirst)))
        isFirst = false
        guard let next = page["next"]?.string else { break }
        page = try await self.page(after: next)
      }
      if form == .json { try await writer.write(ByteBuffer(string: "\n]\n")) }
      try await writer.finish(nil)
    }
    var response = Response(status: .ok, body: body)
    response.headers[.contentType] = form == .csv ? "text/csv; charset=utf-8" : "application/json"
    response.headers[.contentDisposition] = "attachment; filename=\"stores.\(form.rawValue)\""
    return response
  }

  private func page(after cursor: String?) async throws(Problem) -> JSONValue {
    try await api.get("/v1/stores", query + (cursor.map { [("after", $0)] } ?? []))
  }

  private static func part(_ page: JSONValue, _ form: Form, isFirst: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    for (index, store) in (page["data"]?.array ?? []).enumerated() {
      switch form {
      case .csv: bytes += CSV.row(columns.map { cell(store[$0]) }).utf8
      case .json:
        bytes += (isFirst && index == 0 ? "[\n" : ",\n").utf8
        bytes += store.encoded()
      }
    }
    if form == .json, isFirst, bytes.isEmpty { bytes += "[".utf8 }
    return bytes
  }

  private static func cell(_ value: JSONValue?) -> String {
    switch value {
    case nil, .null?: ""
    case .string(let text)?: text
    case .array(let values)?: values.compactMap(\.string).joined(separator: " ")
    case let other?: other.text
    }
  }
}

/// Comma-separated values (RFC 4180) that no spreadsheet takes for formulas.
enum CSV {
  /// One line with its CR LF.
  static func row(_ cells: [String]) -> String {
    cells.map(cell).joined(separator: ",") + "\r\n"
  }

  /// A cell that begins like a formula is led by an apostrophe, which spreadsheets take as "text".
  static func cell(_ text: String) -> String {
    var text = text
    if let first = text.unicodeScalars.first, "=+-@\t\r\n".unicodeScalars.contains(first) {
      text = "'" + text
    }
    guard text.unicodeScalars.contains(where: { "\",\r\n".unicodeScalars.contains($0) }) else {
      return text
    }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }
}
