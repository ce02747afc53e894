import ArgumentParser
import Base
import HTTPTypes

/// `latchkey stores`: the stores that installed the app.
struct Stores: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List, look at, label, import, verify, suspend, resume and delete stores.",
    subcommands: [
      List.self, Show.self, Errors.self, Label.self, Import.self, Verify.self, Suspend.self,
      Resume.self,
      Delete.self,
    ])
}

extension Stores {
  /// `latchkey stores list`.
  struct List: Command {
    static let configuration = CommandConfiguration(
      abstract: "List the stores, all or those that match.")

    @Option(name: .long, help: "Only those in this state: active, suspended, revoked, uninstalled.")
    var state: String?
    @Option(name: .long, help: "Only those that granted this scope, such as store_v2_products.")
    var scope: String?
    @Option(name: .long, help: "Only those that did not grant this required scope.")
    var missingScope: String?
    @Option(name: .long, help: "Only those with this label.")
    var label: String?
    @Option(
      name: .long,
      help: """
        Only those that answer so: healthy, revoked, scope, suspended, plan, rate, network, unknown; several with \
        commas between.
        """)
    var health: String?
    @Option(
      name: .long,
      help: """
        Only those with this problem: revoked, drift (a required scope is missing), webhooks, health, or any of them.
        """)
    var problem: String?
    @Option(
      name: .customLong("q"),
      help: "Only those whose store hash, name or domain begins with this.")
    var prefix: String?
    @OptionGroup var app: AppOptions
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let rows = try await APIClient.with(console) { client in
        try await client.rows(
          "/v1/stores",
          [
            ("state", state), ("scope", scope), ("missing_scope", missingScope), ("label", label),
            ("health", health), ("problem", problem), ("q", prefix), ("app", app.app?.text),
          ], progress: console)
      }
      guard !output.json else { return try console.line(JSONValue.list(rows).prettyText) }
      guard !rows.isEmpty else { return console.note("No stores.") }
      var table = Table(
        [
          "STORE", "NAME", "APP", "STATE", "HEALTH", "LABELS", "GEN", "INSTALLED", "VERIFIED",
          "MISSING SCOPES",
        ])
      for row in rows {
        table.add(
          [
            "store_hash", "name", "app", "state", "health", "labels", "generation", "installed_at",
            "token_verified_at", "missing_scopes",
          ].map(row.shown))
      }
      try console.line(table.text(color: console.hasColor))
    }
  }

  /// `latchkey stores show`.
  struct Show: Command {
    static let configuration = CommandConfiguration(
      abstract: "Show all that is known about one store.",
      discussion: """
        quota.* is what the replica that answers knows of the calls that went through it: what BigCommerce said last,
        the calls that are in flight or wait, and what holds them up.
        """)

    @OptionGroup var store: StoreArgument
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      try await store.report(.get, "", output, console)
    }
  }

  /// `latchkey stores verify`.
  struct Verify: Command {
    static let configuration = CommandConfiguration(
      abstract: "Ask BigCommerce whether the store's token still works.",
      discussion: "Exit status 3 when BigCommerce refuses the token, or could not be asked.")

    @OptionGroup var store: StoreArgument
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let record = try await store.report(.post, "/verify", output, console)
      if record["verdict"]?.string != "accepted" { throw EarlyExit(status: .unhealthy) }
    }
  }

  /// `latchkey stores suspend`.
  struct Suspend: Command {
    static let configuration = CommandConfiguration(
      abstract: "Refuse all calls for a store until it is resumed.",
      discussion: "The token is kept. Services that call the store get 423 within 2 seconds.")

    @OptionGroup var store: StoreArgument
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      try await store.change("suspend", .post, "/suspend", confirmation, output, console)
    }
  }

  /// `latchkey stores resume`.
  struct Resume: Command {
    static let configuration = CommandConfiguration(
      abstract: "Allow calls for a suspended store again.")

    @OptionGroup var store: StoreArgument
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      try await store.report(.post, "/resume", output, console)
    }
  }

  /// `latchkey stores delete`.
  struct Delete: Command {
    static let configuration = CommandConfiguration(
      abstract: "Destroy a store's token; with --purge also everything known about the store.",
      discussion: "BigCommerce is not told. To come back, the merchant installs the app again.")

    @OptionGroup var store: StoreArgument
    @Flag(name: .long, help: "Remove the store's users, owner and contact data as well.")
    var purge = false
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      try await store.change(
        purge ? "destroy the token and all data of" : "destroy the token of", .delete, "",
        query: [("purge", purge ? "true" : nil)], confirmation, output, console)
    }
  }
}

/// Which store a command is about.
struct StoreArgument: ParsableArguments {
  @Argument(help: "The store hash, as in store-HASH.mybigcommerce.com.")
  var hash: StoreHash
  @OptionGroup var app: AppOptions

  /// A call about this store.
  func call(
    _ method: HTTPRequest.Method, _ verb: String = "", query: APIPath.Query = [],
    body: JSONValue? = nil
  ) -> APICall {
    APICall(
      method: method,
      target: APIPath.target(
        "/v1/stores/\(hash.text)\(verb)", query + [("app", app.app?.text)]),
      body: body?.encoded())
  }

  /// Calls at once, and shows the store as it is then.
  @discardableResult
  func report(
    _ method: HTTPRequest.Method, _ verb: String, body: JSONValue? = nil, _ output: OutputOptions,
    _ console: Console
  ) async throws -> JSONValue {
    let record = try await APIClient.with(console) { client in
      try await client.document(call(method, verb, body: body))
    }
    try StoreReport(record: record, json: output.json).print(on: console)
    return record
  }

  /// Looks at the store, asks, and only then calls.
  func change(
    _ act: String, _ method: HTTPRequest.Method, _ verb: String, query: APIPath.Query = [],
    _ confirmation: ConfirmationOptions, _ output: OutputOptions, _ console: Console
  ) async throws {
    let changed = try await confirmation.change(
      with: call(method, verb, query: query), on: console
    ) { client in
      let record = try await client.document(call(.get))
      return "\(act) store \(hash.text) (app \(record.shown("app")), \(record.shown("state")))"
    }
    guard let changed else { return }
    try StoreReport(record: changed, json: output.json).print(on: console)
  }
}

/// A store for a person or a program.
struct StoreReport {
  let record: JSONValue
  let json: Bool

  func print(on console: Console) throws {
    guard !json else { return try console.line(record.prettyText) }
    let members = record.members ?? []
    let facts = members.filter { $0.name != "users" }.flatMap { member in
      // What an object says stands in lines of its own.
      guard let parts = member.value.members else {
        return [(member.name, record.shown(member.name))]
      }
      return parts.map { ("\(member.name).\($0.name)", member.value.shown($0.name)) }
    }
    if !facts.isEmpty { try console.line(Table.facts(facts, color: console.hasColor)) }
    let users = record["users"]?.array ?? []
    guard !users.isEmpty else { return }
    var table = Table(["USER", "EMAIL", "OWNER", "LAST SEEN", "REMOVED"])
    for user in users {
      table.add(["id", "email", "is_owner", "last_seen_at", "removed_at"].map(user.shown))
    }
    try console.line("\n" + table.text(color: console.hasColor))
  }
}
