import ArgumentParser
import Base

/// `latchkey scopes`: what stores granted, beside what is required.
struct ScopesCommands: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scopes", abstract: "Compare what stores granted with what is required.",
    subcommands: [Drift.self])
}

extension ScopesCommands {
  /// `latchkey scopes drift`.
  struct Drift: Command {
    static let configuration = CommandConfiguration(
      abstract: "Show which stores lack a required scope, or would.",
      discussion: """
        A merchant grants more by agreeing once more: he is asked when he opens the app again after the scopes of the
        app were changed in the Developer Portal.

        What would it mean to require one more scope?
          latchkey scopes drift --also store_v2_orders
        Exit status 3 when a store lacks one.
        """)

    @Option(
      name: .long,
      help: "Compare with these instead of the required ones: names with spaces between.")
    var scopes: String?
    @Option(
      name: .long, help: "Compare with these beside the required ones: names with spaces between.")
    var also: String?
    @Option(name: .long, help: "Which stores to list: missing (the default), granted, or all.")
    var status: String?
    @OptionGroup var app: AppOptions
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let query: APIPath.Query = [
        ("scopes", scopes), ("also", also), ("status", status), ("app", app.app?.text),
      ]
      let (summary, rows) = try await APIClient.with(console) { client in
        let first = try await client.document(
          APICall(target: APIPath.target("/v1/scopes/drift", query + [("limit", "1")])))
        return (first, try await client.rows("/v1/scopes/drift", query, progress: console))
      }
      let missing = summary.shown("missing")
      if output.json {
        let facts = (summary.members ?? []).filter { $0.name != "data" && $0.name != "next" }
        try console.line(JSONValue.object(facts + [.init("data", .array(rows))]).prettyText)
      } else {
        try show(summary, rows, console)
      }
      if missing != "0" { throw EarlyExit(status: .unhealthy) }
    }

    private func show(_ summary: JSONValue, _ rows: [JSONValue], _ console: Console) throws {
      var scopes = Table(["SCOPE", "GRANTED", "MISSING"])
      for scope in summary["by_scope"]?.array ?? [] {
        scopes.add(["scope", "granted", "missing"].map(scope.shown))
      }
      if !scopes.rows.isEmpty { try console.line(scopes.text(color: console.hasColor) + "\n") }
      let (missing, installed) = (summary.shown("missing"), summary.shown("installed"))
      try console.line(
        missing == "0"
          ? "All \(installed) stores have granted this."
          : "\(missing) of \(installed) merchants have to agree once more.")
      guard !rows.isEmpty else { return }
      var table = Table(["STORE", "APP", "STATE", "MISSING SCOPES", "SINCE"])
      for row in rows {
        table.add(["store_hash", "app", "state", "missing_scopes", "since_at"].map(row.shown))
      }
      try console.line("\n" + table.text(color: console.hasColor))
    }
  }
}
