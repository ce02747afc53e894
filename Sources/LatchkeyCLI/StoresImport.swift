import ArgumentParser
import Base
import HTTPTypes

extension Stores {
  /// `latchkey stores import`.
  struct Import: Command {
    static let configuration = CommandConfiguration(
      commandName: "import",
      abstract: "Bring stores whose tokens you already have.",
      discussion: """
        The file has one JSON object a line:
          {"store_hash": "abc123", "access_token": "...", "scopes": ["store_v2_products"], "labels": ["vip"]}
        scopes and labels may be left out; labels replace those that the store has. Each token is tried with one call to BigCommerce before it is kept; lines
        that are refused are listed, and the exit status is 1. It may be repeated.
        Tokens come from the file or from standard input only, never from arguments, which others on the
        machine could read.
        """)

    @Argument(help: "The file, or - for standard input.", completion: .file())
    var file: String
    @Flag(name: .long, help: "Try every token, and keep none.")
    var dryRun = false
    @OptionGroup var app: AppOptions
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let content = try console.content(of: file, atMost: 1 << 30)
      let batches = ImportBatch.split(content)
      guard !batches.isEmpty else { throw CommandFailure(text: "\(file) has no lines.") }
      let outcome = try await APIClient.with(console) { client in
        await send(batches, client, console)
      }
      try report(outcome.rows, on: console)
      if let failure = outcome.failure {
        let rest = batches.dropFirst(outcome.batches).first?.lineNumbers.first ?? 1
        console.note("Stopped: the outcome of line \(rest) and those after it is not known.")
        throw failure
      }
      let refused = outcome.rows.filter { $0["result"]?.string == "refused" }.count
      if refused > 0 { throw EarlyExit(status: .failure) }
    }

    /// What came back before all was sent or something failed.
    private struct Outcome: Sendable {
      var rows: [JSONValue] = []
      var batches = 0
      var failure: (any Error)?
    }

    private func send(
      _ batches: [ImportBatch], _ client: APIClient, _ console: Console
    ) async -> Outcome {
      var outcome = Outcome()
      let total = batches.map(\.lineNumbers.count).reduce(0, +)
      defer { console.endProgress() }
      for batch in batches {
        console.progress(outcome.rows.count, of: total, "stores")
        do {
          let target = APIPath.target(
            "/v1/stores/import",
            [("app", app.app?.text), ("dry_run", dryRun ? "true" : nil)])
          let answer = try await client.document(
            APICall(
              method: .post, target: target, body: batch.body,
              contentType: "application/x-ndjson", patience: .seconds(3600)))
          outcome.rows += batch.renumbered(answer["data"]?.array ?? [])
          outcome.batches += 1
        } catch {
          outcome.failure = error
          break
        }
      }
      return outcome
    }

    private func report(_ rows: [JSONValue], on console: Console) throws {
      guard !output.json else { return try console.line(JSONValue.list(rows).prettyText) }
      let refused = rows.filter { $0["result"]?.string == "refused" }
      if !refused.isEmpty {
        var table = Table(["LINE", "STORE", "CODE", "DETAIL"])
        for row in refused {
          table.add(["line", "store_hash", "code", "detail"].map(row.shown))
        }
        try console.line(table.text(color: console.hasColor) + "\n")
      }
      let verb = dryRun ? "would be imported" : "imported"
      try console.line("\(rows.count - refused.count) \(verb), \(refused.count) refused.")
    }
  }
}

/// The lines of one call of an import.
struct ImportBatch: Equatable {
  /// The API takes more; shorter calls show progress and lose less when one breaks off.
  static let maxLines = 500
  /// Below the API's limit of 8 MiB.
  static let maxBytes = 6 << 20

  /// Where the lines stand in the file, counted from 1.
  private(set) var lineNumbers: [Int] = []
  private(set) var body: [UInt8] = []

  /// Splits a file into calls; empty lines are left out.
  static func split(_ content: [UInt8]) -> [ImportBatch] {
    var batches: [ImportBatch] = []
    var batch = ImportBatch()
    let lines = content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where !line.allSatisfy({ $0 <= 0x20 }) {
      let isFull =
        batch.lineNumbers.count == maxLines || batch.body.count + line.count >= maxBytes
      if isFull && !batch.lineNumbers.isEmpty {
        batches.append(batch)
        batch = ImportBatch()
      }
      batch.lineNumbers.append(index + 1)
      batch.body += line
      batch.body.append(UInt8(ascii: "\n"))
    }
    if !batch.lineNumbers.isEmpty { batches.append(batch) }
    return batches
  }

  /// The answer's rows with the line numbers of the file instead of those of the call.
  func renumbered(_ rows: [JSONValue]) -> [JSONValue] {
    rows.map { row in
      guard let members = row.members else { return row }
      return .object(
        members.map { member in
          guard member.name == "line", let number = member.value.integer,
            lineNumbers.indices.contains(Int(number) - 1)
          else { return member }
          return .init("line", .integer(lineNumbers[Int(number) - 1]))
        })
    }
  }
}
