import ArgumentParser
import Base
import HTTPTypes

extension Stores {
  /// `latchkey stores errors`.
  struct Errors: Command {
    static let configuration = CommandConfiguration(
      abstract: "Show which calls of a store failed of late, newest first.",
      discussion: """
        Of the last 7 days: at most 10 of each status that BigCommerce answered, and of each code of the gateway's own
        refusals. Some seconds late.
        """)

    @OptionGroup var store: StoreArgument
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let answer = try await APIClient.with(console) { client in
        try await client.document(store.call(.get, "/errors"))
      }
      let rows = answer["data"]?.array ?? []
      guard !output.json else { return try console.line(JSONValue.list(rows).prettyText) }
      guard !rows.isEmpty else { return console.note("No call failed.") }
      var table = Table(
        ["AT", "STATUS", "CODE", "OUTCOME", "MS", "METHOD", "PATH", "CALLER", "NAME", "REQUEST"])
      for row in rows {
        table.add(
          [
            "at", "status", "code", "outcome", "duration_ms", "method", "path", "caller",
            "caller_name", "request_id",
          ].map(row.shown))
      }
      try console.line(table.text(color: console.hasColor))
    }
  }
}
