import ArgumentParser
import Base
import HTTPTypes

extension Subscriptions {
  /// `latchkey subscriptions replay`.
  struct Replay: Command {
    static let configuration = CommandConfiguration(
      abstract: "Push events once more: some, a range of the feed, or all that are dead.",
      discussion: """
        latchkey subscriptions replay sub_… --failed
        latchkey subscriptions replay sub_… --event evt_… --event evt_…
        latchkey subscriptions replay sub_… --since 2h --type 'store/order/*'
        Subscribers know an event by its ID, which stays.
        """)

    @OptionGroup var events: SubscriptionEvents

    func run(on console: Console) async throws {
      try await events.act("replay", done: "replayed", on: console) { count in
        "push \(count) events once more to the subscription \(events.subscription.id)"
      } outcome: { count in
        "\(count) deliveries are due again."
      }
    }
  }

  /// `latchkey subscriptions discard`.
  struct Discard: Command {
    static let configuration = CommandConfiguration(
      abstract: "Forget dead letters: some, a range, or all of the subscription.",
      discussion: """
        latchkey subscriptions discard sub_… --failed --until 30d
        latchkey subscriptions discard sub_… --event evt_…
        Only what is dead is forgotten; the audit names it, and while the feed has an event it can be replayed.
        """)

    @OptionGroup var events: SubscriptionEvents

    func run(on console: Console) async throws {
      try await events.act("discard", done: "discarded", on: console) { count in
        "forget \(count) dead letters of the subscription \(events.subscription.id)"
      } outcome: { count in
        "\(count) dead letters are forgotten."
      }
    }
  }

  /// `latchkey subscriptions deliveries`.
  struct Deliveries: Command {
    static let configuration = CommandConfiguration(
      abstract: "List the newest deliveries of a subscription and what came of them.",
      discussion: "--json shows each attempt, with the beginning of the answer.")

    @OptionGroup var subscription: SubscriptionArgument
    @Option(name: .long, help: "Only those that are pending, delivered or dead.")
    var state: String?
    @Option(name: .long, help: "How many, 1 to 1000.")
    var limit = 100
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let target = APIPath.target(
        subscription.target + "/deliveries", [("state", state), ("limit", String(limit))])
      let page = try await APIClient.with(console) { client in
        try await client.document(APICall(method: .get, target: target))
      }
      guard !output.json else { return try console.line(page.prettyText) }
      let rows = page["data"]?.array ?? []
      guard !rows.isEmpty else { return console.note("No deliveries.") }
      var table = Table(
        [
          "ID", "EVENT", "TYPE", "STORE", "STATE", "ATTEMPTS", "DUE", "FINISHED", "STATUS",
          "FAILURE",
        ])
      for row in rows {
        let event = row["event"] ?? .null
        let last = row["log"]?.array?.last ?? .null
        table.add(
          [row.shown("id")] + ["id", "type", "store_hash"].map(event.shown)
            + ["state", "attempts", "due_at", "finished_at"].map(row.shown)
            + ["status", "failure"].map(last.shown))
      }
      try console.line(table.text(color: console.hasColor))
    }
  }
}

/// Which events of a subscription an act is about.
struct SubscriptionEvents: ParsableArguments {
  @OptionGroup var subscription: SubscriptionArgument
  @Option(name: .long, help: "An event's ID; may be repeated.")
  var event: [String] = []
  @OptionGroup var selection: SelectionOptions
  @OptionGroup var confirmation: ConfirmationOptions
  @OptionGroup var output: OutputOptions

  func validate() throws { try selection.check(ids: event, named: "--event") }

  /// Counts the events, asks and acts; `verb` is also the end of the API's path.
  func act(
    _ verb: String, done: String, on console: Console, question: (Int64) -> String,
    outcome: (Int64) -> String
  ) async throws {
    let act = CountedAct(
      target: subscription.target + "/" + verb, body: selection.body(ids: event), verb: verb,
      done: done)
    try await act.run(
      confirmation, output, console, question: { count, _ in question(count) }, outcome: outcome)
  }
}

/// Which subscription a command is about.
struct SubscriptionArgument: ParsableArguments, ChangedThing {
  @Argument(help: "The subscription's ID, as subscriptions list shows it.")
  var id: String

  var noun: String { "subscription" }
  var target: String { "/v1/subscriptions/" + APIPath.escaped(id) }

  func look(_ client: APIClient, _ console: Console) async throws -> String {
    try await client.document(APICall(method: .get, target: target)).shown("url")
  }

  /// Calls, and shows the answer's facts.
  @discardableResult
  func report(
    _ method: HTTPRequest.Method, _ path: String, _ body: JSONValue?, _ output: OutputOptions,
    _ console: Console
  ) async throws -> JSONValue {
    let record = try await APIClient.with(console) { client in
      try await client.document(
        APICall(method: method, target: target + path, body: body?.encoded()))
    }
    if output.json {
      try console.line(record.prettyText)
    } else {
      let facts = (record.members ?? []).map { ($0.name, record.shown($0.name)) }
      try console.line(Table.facts(facts, color: console.hasColor))
    }
    return record
  }
}

/// A subscription with its secret, which is shown this once.
struct SecretReport {
  let made: JSONValue
  let json: Bool

  func print(on console: Console) throws {
    if json {
      try console.line(made.prettyText)
    } else {
      let facts = ["secret", "id", "url", "types", "stores"].map { ($0, made.shown($0)) }
      try console.line(Table.facts(facts, color: console.hasColor))
    }
    if console.hasErrorTerminal {
      console.note("The secret is shown this once: give it to the subscriber now.")
    }
  }
}
