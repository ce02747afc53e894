import ArgumentParser
import Base

/// `latchkey usage`: what calls of stores came to.
struct UsageCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "usage",
    abstract: "Show how many calls were made, how they ended and how long they took.",
    discussion: """
      The stores that were called today, and what each came to:
        latchkey usage --by store --step total --since 24h
      One store's last hour, minute by minute:
        latchkey usage --store abc123
      Each call is fine or one of: rejected (4xx of BigCommerce), throttled (429, quota, rate), failed (5xx or no
      answer), refused (this replica held too many) and abandoned (the caller left). Minutes are kept for 7 days,
      hours and days for LATCHKEY_RETENTION_USAGE. Numbers are some seconds old.
      """)

  @Option(name: .long, help: ArgumentHelp("Only of this caller.", valueName: "key ID"))
  var caller: String?
  @Option(name: .long, help: "Only of this family of endpoints, such as 'v3/catalog reads'.")
  var family: String?
  @Option(
    name: .long,
    help: "A row for each minute, hour or day, or one for the whole time (total).")
  var step: String?
  @Option(
    name: .long, help: "A row for each of these: store, caller, family; with commas between.")
  var by: String?
  @OptionGroup var list: ListOptions

  func run(on console: Console) async throws {
    let (rows, next) = try await list.rows(
      of: "/v1/usage",
      [("caller", caller), ("family", family), ("step", step), ("by", by)], on: console)
    try console.page(
      rows, next: next, asJSON: list.output.json, none: "No calls.", more: "More", Self.table)
  }

  /// What tells rows apart comes first, then what they came to.
  private static func table(_ rows: [JSONValue]) -> Table {
    let tags = [
      ("starts_at", "FROM"), ("store_hash", "STORE"), ("caller", "CALLER"),
      ("caller_name", "NAME"), ("family", "FAMILY"),
    ].filter { name, _ in rows.contains { $0[name] != nil } }
    let counts = [
      ("calls", "CALLS"), ("rejected", "REJECTED"), ("throttled", "THROTTLED"),
      ("failed", "FAILED"), ("refused", "REFUSED"), ("abandoned", "ABANDONED"),
      ("waited", "WAITED"),
    ]
    var table = Table(
      (tags + counts).map(\.1) + ["P50", "P95", "P99", "SENT", "RECEIVED"])
    for row in rows {
      table.add(
        (tags + counts).map { row.shown($0.0) }
          + ["p50", "p95", "p99"].map { seconds(row["latency"]?.shown($0) ?? "") }
          + [row.shown("sent_bytes"), row.shown("received_bytes")])
    }
    return table
  }

  /// Seconds as milliseconds, which is what calls take.
  private static func seconds(_ text: String) -> String {
    Double(text).map { "\(Int(($0 * 1000).rounded())) ms" } ?? ""
  }
}
