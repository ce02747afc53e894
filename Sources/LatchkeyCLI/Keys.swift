import ArgumentParser
import Base
import HTTPTypes
import LatchkeyApp
import Storage
import Vault

/// `latchkey keys`: service keys.
struct Keys: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make, list, rotate and revoke service keys.",
    discussion: "A service key says which stores, scopes and abilities a service or a person has.",
    subcommands: [Create.self, List.self, Rotate.self, Revoke.self])
}

extension Keys {
  /// `latchkey keys create`.
  struct Create: Command {
    static let configuration = CommandConfiguration(
      abstract: "Make a service key, and show it this once.",
      discussion: """
        For a service that reads products of all stores:
          latchkey keys create --name shop-sync --store '*' --scope store_v2_products_read_only --ability proxy
        The first key of all, an operator's, is made on the database, without a running service:
          latchkey keys create --bootstrap --name me
        For one that changes prices of the stores with the label vip, and nothing else:
          latchkey keys create --name prices --store label:vip --scope '*' --ability proxy \\
            --method PUT --path '/v3/pricelists/*/records'
        A key never grants more than the key that makes it.
        """)

    @Option(name: .long, help: "What it is for; shown in lists and in the audit trail.")
    var name: String
    @Flag(name: .long, help: "Make an operator's key for all apps, directly on the database.")
    var bootstrap = false
    @Option(name: .long, help: "The app that it is for. An operator's key may do without.")
    var app: AppName?
    @Option(
      name: .long,
      help: """
        A store that it may call, or label:NAME for the stores with that label, or '*' for all; may be repeated.
        """)
    var store: [String] = []
    @Option(name: .long, help: "A BigCommerce scope that it may use, or '*'; may be repeated.")
    var scope: [String] = []
    @Option(
      name: .long,
      help: "An HTTP method that it may use; GET holds HEAD; may be repeated. Left out: all.")
    var method: [String] = []
    @Option(
      name: .long,
      help: """
        A path that it may call, such as /v3/catalog/products/* with * for one segment, or /v3/catalog/** with \
        ** for one or more; may be repeated. Left out: all.
        """)
    var path: [String] = []
    @Option(
      name: .long,
      help: """
        What it may do: proxy, proxy:graphql, proxy:unlisted, stores:read, stores:write, \
        tickets:redeem, events:read, keys, metrics, operator; may be repeated.
        """)
    var ability: [String] = []
    @Option(
      name: .long,
      help:
        "How many calls to stores it may make per minute, on each replica. Left out: any number.")
    var rate: Int64?
    @Option(name: .long, help: "How long it is good, such as 90d or 12h. Left out: until revoked.")
    var expiresIn: TimeSpan?
    @OptionGroup var output: OutputOptions

    func validate() throws {
      guard (1...100).contains(name.utf8.count) else {
        throw ValidationError("--name takes 1 to 100 bytes.")
      }
      let hasGrant =
        app != nil || !(store + scope + method + path + ability).isEmpty || rate != nil
        || expiresIn != nil
      if bootstrap && hasGrant {
        throw ValidationError(
          "--bootstrap makes an operator's key; it takes only --name and --json.")
      }
      if !bootstrap && ability.isEmpty {
        throw ValidationError("--ability is needed at least once, such as --ability proxy.")
      }
    }

    func run(on console: Console) async throws {
      let made: JSONValue
      if bootstrap {
        let name = name
        made = try await DatabaseCommand.run(console) { database, _ in
          let issued = try await ServiceKeys(database: database).bootstrap(name: name)
          return [
            "key": .string(issued.key.text.expose()), "id": .string(issued.key.id),
            "name": .string(name),
          ]
        }
      } else {
        made = try await APIClient.with(console) { client in
          try await client.document(
            APICall(method: .post, target: "/v1/keys", body: request.encoded()))
        }
      }
      try KeyReport(made: made, json: output.json).print(on: console)
    }

    /// The body of the API call.
    var request: JSONValue {
      var members: [JSONValue.Member] = [.init("name", .string(name))]
      if let app { members.append(.init("app", .string(app.text))) }
      for (field, values) in [("stores", store), ("scopes", scope), ("abilities", ability)] {
        members.append(.init(field, .array(values.map { .string($0) })))
      }
      for (field, values) in [("methods", method), ("paths", path)] where !values.isEmpty {
        members.append(.init(field, .array(values.map { .string($0) })))
      }
      if let rate { members.append(.init("rate", .integer(rate))) }
      if let expiresIn { members.append(.init("expires_in", .integer(expiresIn.seconds))) }
      return .object(members)
    }
  }

  /// `latchkey keys list`.
  struct List: Command {
    static let configuration = CommandConfiguration(
      abstract: "List the keys; their secrets are not known to anybody.")

    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let rows = try await APIClient.with(console) { client in
        try await client.rows("/v1/keys", progress: console)
      }
      guard !output.json else { return try console.line(JSONValue.list(rows).prettyText) }
      guard !rows.isEmpty else { return console.note("No keys.") }
      var table = Table(
        [
          "ID", "NAME", "APP", "ABILITIES", "STORES", "SCOPES", "METHODS", "PATHS", "RATE",
          "CREATED",
          "LAST USED",
          "EXPIRES", "OVERLAP ENDS", "REVOKED",
        ])
      for row in rows {
        table.add(
          [
            "id", "name", "app", "abilities", "stores", "scopes", "methods", "paths", "rate",
            "created_at",
            "last_used_at",
            "expires_at", "overlap_ends_at", "revoked_at",
          ].map(row.shown))
      }
      try console.line(table.text(color: console.hasColor))
    }
  }

  /// `latchkey keys rotate`.
  struct Rotate: Command {
    static let configuration = CommandConfiguration(
      abstract: "Replace a key by a new one with the same name and grant.",
      discussion: """
        Without a pause for its service: rotate with --overlap 1d, give the service the new key, see with keys list
        that the old one is no longer used, and revoke it or let the overlap end.
        """)

    @OptionGroup var key: KeyArgument
    @Option(
      name: .long,
      help: "How long the old key stays good, such as 10m; at most 30d. Left out: not at all.")
    var overlap = TimeSpan(seconds: 0)
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let end =
        overlap.seconds == 0
        ? "the old one ends at once" : "the old one ends in \(overlap.seconds) s"
      let body: JSONValue = ["overlap": .integer(overlap.seconds)]
      let made = try await key.change("replace", "; \(end)", confirmation, console) { target in
        APICall(method: .post, target: target + "/rotate", body: body.encoded())
      }
      guard let made else { return }
      try KeyReport(made: made, json: output.json).print(on: console)
    }
  }

  /// `latchkey keys revoke`.
  struct Revoke: Command {
    static let configuration = CommandConfiguration(
      abstract: "End a key, everywhere within 2 seconds.")

    @OptionGroup var key: KeyArgument
    @OptionGroup var confirmation: ConfirmationOptions

    func run(on console: Console) async throws {
      let done = try await key.change("revoke", "", confirmation, console) { target in
        APICall(method: .delete, target: target)
      }
      if done != nil { try console.line("Revoked \(key.id).") }
    }
  }
}

/// Which key a command is about.
struct KeyArgument: ParsableArguments, ChangedThing {
  @Argument(help: "The key's ID, as keys list shows it; the part after lk_ in the key.")
  var id: String

  /// A whole key does not belong into arguments, and would be refused by the API with its text.
  func validate() throws {
    let isID = !id.isEmpty && id.utf8.count <= 64 && !id.contains("_") && !id.contains("/")
    guard isID else {
      throw ValidationError("Give the key's ID, not the key: latchkey keys list shows it.")
    }
  }

  var noun: String { "key" }
  var target: String { "/v1/keys/" + APIPath.escaped(id) }

  func look(_ client: APIClient, _ console: Console) async throws -> String {
    let keys = try await client.rows("/v1/keys", progress: console)
    guard let key = keys.first(where: { $0["id"]?.string == id }) else {
      throw CommandFailure(text: "There is no key \(id). latchkey keys list shows all.")
    }
    return key.shown("name")
  }
}

/// A freshly made key: the one secret that this program prints.
struct KeyReport {
  let made: JSONValue
  let json: Bool

  func print(on console: Console) throws {
    if json {
      try console.line(made.prettyText)
    } else {
      let facts = ["key", "id", "name"].map { ($0, made.shown($0)) }
      try console.line(Table.facts(facts, color: console.hasColor))
    }
    if console.hasErrorTerminal {
      console.note("The key is shown this once and kept nowhere: store it now.")
    }
  }
}
