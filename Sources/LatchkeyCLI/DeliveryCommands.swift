import ArgumentParser
import Base
import HTTPTypes

/// `latchkey deliveries`: what BigCommerce delivered.
struct DeliveryCommands: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "deliveries",
    abstract: "List and look at what BigCommerce delivered, and make events of it again.",
    discussion: """
      A delivery is kept as it came, for LATCHKEY_RETENTION_DELIVERIES days. It became an event, or was put into
      quarantine, where it says why: unwanted_scope, uninstalled, or what of its body could not be read.
      """,
    subcommands: [List.self, Show.self, Replay.self])
}

extension DeliveryCommands {
  /// `latchkey deliveries list`.
  struct List: Command {
    static let configuration = CommandConfiguration(
      abstract: "List deliveries, the newest first.",
      discussion: """
        What the last hour's deliveries with a wrong signature say:
          latchkey deliveries list --signature invalid --since 1h
        """)

    @Option(
      name: .long, help: "Only of this scope, such as store/order/created or 'store/order/*'.")
    var scope: String?
    @Option(name: .long, help: "Only those with this status: event or quarantined.")
    var status: String?
    @Option(
      name: .long, help: "Only those whose signature was found so: valid, absent, invalid, off.")
    var signature: String?
    @OptionGroup var list: ListOptions

    func run(on console: Console) async throws {
      let (rows, next) = try await list.rows(
        of: "/v1/deliveries",
        [("scope", scope), ("status", status), ("signature", signature)], on: console)
      try console.page(
        rows, next: next, asJSON: list.output.json, none: "No deliveries.",
        [
          ("id", "ID"), ("received_at", "RECEIVED"), ("app", "APP"), ("store_hash", "STORE"),
          ("scope", "SCOPE"), ("signature", "SIGNATURE"), ("quarantine", "QUARANTINE"),
          ("event_id", "EVENT"), ("repeats", "REPEATS"),
        ])
    }
  }

  /// `latchkey deliveries show`.
  struct Show: Command {
    static let configuration = CommandConfiguration(
      abstract: "Show a delivery with its body as it came.")

    @OptionGroup var delivery: DeliveryArgument
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let record = try await APIClient.with(console) { client in
        try await client.document(APICall(target: delivery.path))
      }
      guard !output.json else { return try console.line(record.prettyText) }
      let facts = (record.members ?? []).filter { $0.name != "body" }
        .map { ($0.name, record.shown($0.name)) }
      try console.line(Table.facts(facts, color: console.hasColor))
      guard let body = record["body"]?.string else { return }
      try console.line("\n" + Table.printable(body))
    }
  }

  /// `latchkey deliveries replay`.
  struct Replay: Command {
    static let configuration = CommandConfiguration(
      abstract: "Make a new event of a delivery, whether it was one or is in quarantine.",
      discussion: """
        The event has an ID of its own and the origin repair; all who read the feed get it. The delivery stays in the
        list as it was. Needs the ability operator. A delivery whose body cannot be read is refused.
        """)

    @OptionGroup var delivery: DeliveryArgument
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let made = try await APIClient.with(console) { client in
        try await client.document(APICall(method: .post, target: delivery.path + "/replay"))
      }
      guard !output.json else { return try console.line(made.prettyText) }
      let facts = (made.members ?? []).map { ($0.name, made.shown($0.name)) }
      try console.line(Table.facts(facts, color: console.hasColor))
    }
  }
}

/// Which delivery a command is about.
struct DeliveryArgument: ParsableArguments {
  @Argument(help: "The delivery's ID, as in the list.")
  var id: String

  var path: String { "/v1/deliveries/\(APIPath.escaped(id))" }
}
