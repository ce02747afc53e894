import ArgumentParser
import Base
import HTTPTypes

/// `latchkey subscriptions`: who events are pushed to.
struct Subscriptions: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make, list and change the endpoints that events are pushed to.",
    subcommands: [
      List.self, Show.self, Create.self, Delete.self, Ping.self, Rotate.self, Replay.self,
      Discard.self, Enable.self, Disable.self, Deliveries.self,
    ])
}

extension Subscriptions {
  /// `latchkey subscriptions list`.
  struct List: Command {
    static let configuration = CommandConfiguration(abstract: "List the subscriptions.")

    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let rows = try await APIClient.with(console) { client in
        try await client.rows("/v1/subscriptions", progress: console)
      }
      guard !output.json else { return try console.line(JSONValue.list(rows).prettyText) }
      guard !rows.isEmpty else { return console.note("No subscriptions.") }
      var table = Table(
        ["ID", "NAME", "STATE", "URL", "TYPES", "STORES", "PENDING", "DEAD", "FAILURES"])
      for row in rows {
        table.add(
          ["id", "name", "state", "url", "types", "stores", "pending", "dead", "failures"]
            .map(row.shown))
      }
      try console.line(table.text(color: console.hasColor))
    }
  }

  /// `latchkey subscriptions show`.
  struct Show: Command {
    static let configuration = CommandConfiguration(
      abstract: "Show all that is known about one subscription.")

    @OptionGroup var subscription: SubscriptionArgument
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      try await subscription.report(.get, "", nil, output, console)
    }
  }

  /// `latchkey subscriptions create`.
  struct Create: Command {
    static let configuration = CommandConfiguration(
      abstract: "Push events to a URL from now on, and show the secret this once.",
      discussion: """
        latchkey subscriptions create --url https://orders.internal/hook --type 'store/order/*' --name orders
        Each push is signed as Standard Webhooks say, with the secret that begins with whsec_.
        """)

    @Option(name: .long, help: "Where to: https, or http to this machine.")
    var url: String
    @Option(
      name: .long,
      help:
        "A type such as store/order/created, a family such as store/order/*, or '*' for all; may be repeated."
    )
    var type: [String]
    @Option(
      name: .long,
      help: "A store, or label:NAME, or '*' for all; may be repeated. Left out: those of the key.")
    var store: [String] = []
    @Option(name: .long, help: "What it is for.")
    var name: String?
    @Option(
      name: .long, help: "How many pushes may be under way at a time, 1 to 64; 4 if left out.")
    var concurrency: Int64?
    @OptionGroup var app: AppOptions
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let made = try await APIClient.with(console) { client in
        try await client.document(
          APICall(method: .post, target: "/v1/subscriptions", body: request.encoded()))
      }
      try SecretReport(made: made, json: output.json).print(on: console)
    }

    /// The body of the API call.
    var request: JSONValue {
      var members: [JSONValue.Member] = [
        .init("url", .string(url)), .init("types", .array(type.map { .string($0) })),
      ]
      if !store.isEmpty { members.append(.init("stores", .array(store.map { .string($0) }))) }
      if let name { members.append(.init("name", .string(name))) }
      if let app = app.app { members.append(.init("app", .string(app.text))) }
      if let concurrency { members.append(.init("concurrency", .integer(concurrency))) }
      return .object(members)
    }
  }

  /// `latchkey subscriptions delete`.
  struct Delete: Command {
    static let configuration = CommandConfiguration(
      abstract: "End a subscription, and forget its deliveries, dead ones included.")

    @OptionGroup var subscription: SubscriptionArgument
    @OptionGroup var confirmation: ConfirmationOptions

    func run(on console: Console) async throws {
      let done = try await subscription.change("delete", "", confirmation, console) { target in
        APICall(method: .delete, target: target)
      }
      if done != nil { try console.line("Deleted \(subscription.id).") }
    }
  }

  /// `latchkey subscriptions ping`.
  struct Ping: Command {
    static let configuration = CommandConfiguration(
      abstract: "Send a test event now, and show what came back.",
      discussion: "Exit status 3 when the subscriber did not take it.")

    @OptionGroup var subscription: SubscriptionArgument
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let answer = try await subscription.report(.post, "/ping", nil, output, console)
      if answer["delivered"]?.bool != true { throw EarlyExit(status: .unhealthy) }
    }
  }

  /// `latchkey subscriptions rotate`.
  struct Rotate: Command {
    static let configuration = CommandConfiguration(
      abstract: "Sign with a further secret, and show it this once.",
      discussion:
        "Both secrets sign until the overlap ends, so the subscriber changes over without a gap.")

    @OptionGroup var subscription: SubscriptionArgument
    @Option(name: .long, help: "How long the old secret signs as well, at most 7d.")
    var overlap = TimeSpan(seconds: 86_400)
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let body: JSONValue = ["overlap": .integer(overlap.seconds)]
      let made = try await subscription.change(
        "give a new secret to", "; the old one ends in \(overlap.seconds) s", confirmation, console
      ) { target in
        APICall(method: .post, target: target + "/rotate", body: body.encoded())
      }
      guard let made else { return }
      try SecretReport(made: made, json: output.json).print(on: console)
    }
  }

  /// `latchkey subscriptions enable`.
  struct Enable: Command {
    static let configuration = CommandConfiguration(
      abstract: "Push again to a subscription that is disabled or gone.",
      discussion: "It goes on where it stopped. What is dead stays dead: see replay.")

    @OptionGroup var subscription: SubscriptionArgument
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      try await subscription.report(.post, "/enable", nil, output, console)
    }
  }

  /// `latchkey subscriptions disable`.
  struct Disable: Command {
    static let configuration = CommandConfiguration(
      abstract: "Push nothing until it is enabled again; nothing is lost meanwhile.")

    @OptionGroup var subscription: SubscriptionArgument
    @OptionGroup var confirmation: ConfirmationOptions

    func run(on console: Console) async throws {
      let done = try await subscription.change("disable", "", confirmation, console) { target in
        APICall(method: .post, target: target + "/disable")
      }
      if done != nil { try console.line("Disabled \(subscription.id).") }
    }
  }
}
