import ArgumentParser
import Base

/// `latchkey events`: the feed of everything that happened.
struct EventCommands: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events",
    abstract: "List the events of all stores in their order, follow them live, push them again.",
    discussion: """
      Events are what BigCommerce's webhooks say (store/order/created ...) and what happens to installations
      (app/installed ...), in one order that never changes. A cursor names a place in it.
      """,
    subcommands: [List.self, Tail.self, Show.self, Replay.self])
}

/// Which events a command is about.
struct EventOptions: ParsableArguments {
  @Option(
    name: .long,
    help: "Only of this type, such as app/installed or 'store/order/*'; may be repeated.")
  var type: [String] = []
  @Option(name: .long, help: "Only of this store hash.")
  var store: StoreHash?
  @Option(name: .long, help: ArgumentHelp("Only of this app.", valueName: "name"))
  var app: AppName?

  var query: APIPath.Query {
    [
      ("type", type.isEmpty ? nil : type.joined(separator: ",")), ("store", store?.text),
      ("app", app?.text),
    ]
  }
}

extension EventCommands {
  /// `latchkey events list`.
  struct List: Command {
    static let configuration = CommandConfiguration(
      abstract: "List events in their order, the oldest first.",
      discussion: """
        The orders of the last two hours:
          latchkey events list --type 'store/order/*' --since 2h
        --since and --until are about when something happened; the order is that of the feed.
        """)

    @OptionGroup var events: EventOptions
    @OptionGroup var page: PageOptions
    @Option(
      name: .long,
      help: "Begin behind this cursor, or with the oldest that is kept, which it does if left out.")
    var after: String?
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let (rows, next) = try await APIClient.with(console) { client in
        try await client.rows(
          "/v1/events", events.query + page.query, atMost: page.limit, after: after,
          progress: console)
      }
      guard !output.json else {
        let list: JSONValue = [
          "data": .array(rows), "next": next.map { .string($0) } ?? .null,
        ]
        return try console.line(list.prettyText)
      }
      guard !rows.isEmpty else { return console.note("No events.") }
      var table = Table(["RECORDED", "APP", "STORE", "TYPE", "ORIGIN", "EVENT", "DATA"])
      for row in rows {
        table.add(
          ["recorded_at", "app", "store_hash", "type", "origin", "id"].map(row.shown)
            + [EventLine.data(of: row)])
      }
      try console.line(table.text(color: console.hasColor))
      if rows.count == page.limit, let next {
        console.note("Go on: --after \(Table.printable(next))")
      }
    }
  }

  /// `latchkey events tail`.
  struct Tail: Command {
    static let configuration = CommandConfiguration(
      abstract: "Follow events live, one line each.",
      discussion: """
        Begins with what happens from now on; goes on until Ctrl-C, which is exit status 0. When the service is
        restarted or cannot be reached it tries again, and goes on behind the last event that was shown: none is lost,
        none comes twice. With --json each line is an event with its cursor, for --after.
        """)

    @OptionGroup var events: EventOptions
    @Option(name: .long, help: "Begin behind this cursor, or with the oldest that is kept: oldest.")
    var after = "newest"
    @Option(name: .long, help: "End after so many events.")
    var limit: Int?
    @Flag(name: .long, help: "Print each event as one line of JSON.")
    var json = false

    func validate() throws {
      if let limit, limit < 1 { throw ValidationError("--limit takes a number from 1 on.") }
    }

    func run(on console: Console) async throws {
      try await APIClient.with(console) { client in
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask {
            var follower = EventFollower(
              client: client, query: events.query, start: after, limit: limit, console: console
            ) { event in
              try console.line(json ? event.text : EventLine.text(of: event))
            }
            try await follower.run()
          }
          group.addTask { await console.untilInterrupted() }
          try await group.next()
          group.cancelAll()
        }
      }
    }
  }

  /// `latchkey events show`.
  struct Show: Command {
    static let configuration = CommandConfiguration(abstract: "Show one event.")

    @Argument(help: "The event's ID, which begins with evt_.")
    var id: String
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let event = try await APIClient.with(console) { client in
        try await client.document(APICall(target: "/v1/events/\(APIPath.escaped(id))"))
      }
      guard !output.json else { return try console.line(event.prettyText) }
      let facts = (event.members ?? []).filter { $0.name != "data" }
        .map { ($0.name, event.shown($0.name)) }
      try console.line(
        Table.facts(
          facts + [("data", (event["data"] ?? .null).text)], color: console.hasColor))
    }
  }
}

extension EventCommands {
  /// `latchkey events replay`.
  struct Replay: Command {
    static let configuration = CommandConfiguration(
      abstract: "Push events once more to subscriptions.",
      discussion: """
        latchkey events replay evt_… evt_…
        latchkey events replay --since 2h --type 'store/order/*' --store abc123
        latchkey events replay --from CURSOR --to CURSOR --subscription sub_…
        Without --subscription each active one gets what it wants of the events. Says first how many pushes it would be.
        An event keeps its ID. Readers of the feed see nothing of it: they have a cursor to go back to.
        """)

    @Argument(help: "The events' IDs, which begin with evt_.")
    var ids: [String] = []
    @OptionGroup var selection: SelectionOptions
    @Option(name: .long, help: "Only to this subscription; may be repeated.")
    var subscription: [String] = []
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { try selection.check(ids: ids, named: "IDs of events") }

    func run(on console: Console) async throws {
      var body = selection.body(ids: ids)
      if !subscription.isEmpty {
        body.append(.init("subscriptions", .array(subscription.map { .string($0) })))
      }
      let act = CountedAct(
        target: "/v1/events/replay", body: body, verb: "replay", done: "replayed")
      try await act.run(confirmation, output, console) { count, found in
        let targets = (found["subscriptions"]?.array ?? []).map { row in
          "\(row.shown("would_replay")) to \(row.shown("id")) (\(row.shown("url")))"
        }
        return "push \(count) events once more: " + targets.joined(separator: ", ")
      } outcome: { count in
        "\(count) deliveries are due again."
      }
    }
  }
}

/// An event as one line for a person.
enum EventLine {
  /// Longer data are cut; `--json` has all of them.
  private static let mostData = 160

  static func text(of event: JSONValue) -> String {
    let store = event.shown("store_hash")
    let cells = [
      event.shown("recorded_at"), event.shown("app"), store.isEmpty ? "-" : store,
      event.shown("type"), event.shown("id"), data(of: event),
    ]
    return cells.map(Table.printable).joined(separator: "  ")
  }

  static func data(of event: JSONValue) -> String {
    let text = (event["data"] ?? .null).text
    return text.count > mostData ? text.prefix(mostData) + "…" : text
  }
}
