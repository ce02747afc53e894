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
        latchkey subscriptions replay sub_… --from CURSOR --to CURSOR
        Subscribers know an event by its ID, which stays.
        """)

    @OptionGroup var subscription: SubscriptionArgument
    @Option(name: .long, help: "An event's ID; may be repeated.")
    var event: [String] = []
    @Option(name: .long, help: "The cursor behind which to begin, or 'oldest'.")
    var from: String?
    @Option(name: .long, help: "The cursor of the last event. Left out: up to now.")
    var to: String?
    @Flag(name: .long, help: "All dead letters.")
    var failed = false
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
      let ways = [!event.isEmpty, from != nil, failed].filter { $0 }.count
      guard ways == 1, to == nil || from != nil else {
        throw ValidationError("Give one of --event, --from (with or without --to) and --failed.")
      }
    }

    func run(on console: Console) async throws {
      let done = try await subscription.change(
        "push events once more to", "", confirmation, console
      ) { target in
        APICall(method: .post, target: target + "/replay", body: request.encoded())
      }
      guard let done else { return }
      if output.json { return try console.line(done.prettyText) }
      try console.line("\(done.shown("replayed")) deliveries are due again.")
    }

    /// The body of the API call.
    var request: JSONValue {
      if failed { return ["failed": true] }
      if !event.isEmpty { return ["event_ids": .array(event.map { .string($0) })] }
      var members: [JSONValue.Member] = []
      if let from { members.append(.init("from", .string(from))) }
      if let to { members.append(.init("to", .string(to))) }
      return .object(members)
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

/// Which subscription a command is about.
struct SubscriptionArgument: ParsableArguments {
  @Argument(help: "The subscription's ID, as subscriptions list shows it.")
  var id: String

  var target: String { "/v1/subscriptions/" + APIPath.escaped(id) }

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

  /// Looks at the subscription, asks, and only then calls.
  ///
  /// - Returns: the answer, `nil` when nothing was done.
  func change(
    _ verb: String, _ consequence: String, _ confirmation: ConfirmationOptions,
    _ console: Console, _ call: (String) -> APICall
  ) async throws -> JSONValue? {
    try await confirmation.change(with: call(target), on: console) { client in
      let known = try await client.document(APICall(method: .get, target: target))
      return "\(verb) the subscription \(id) (\(known.shown("url")))\(consequence)"
    }
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
