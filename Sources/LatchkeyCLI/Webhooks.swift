import ArgumentParser
import Base
import HTTPTypes

/// `latchkey webhooks`: what BigCommerce tells us about each store.
struct Webhooks: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "See, plan and put right the webhooks of all stores.",
    subcommands: [
      List.self, Plan.self, Apply.self, Rotate.self, Repair.self, RepairList.self,
    ])
}

extension Webhooks {
  /// `latchkey webhooks list`.
  struct List: Command {
    static let configuration = CommandConfiguration(
      abstract: "List how far each store's webhooks are as they should be.")

    @Option(name: .long, help: "Only those in this state: pending, in_step, failed, parked.")
    var state: String?
    @Option(name: .long, help: "Only this store.")
    var store: StoreHash?
    @OptionGroup var app: AppOptions
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let rows = try await APIClient.with(console) { client in
        try await client.rows(
          "/v1/webhooks",
          [("state", state), ("store", store?.text), ("app", app.app?.text)], progress: console)
      }
      guard !output.json else { return try console.line(JSONValue.list(rows).prettyText) }
      guard !rows.isEmpty else { return console.note("No stores.") }
      var table = Table([
        "STORE", "APP", "STATE", "WANTED", "ACTIVE", "CHECKED", "FAILURE", "OFF SINCE",
        "BLOCKED UNTIL",
      ])
      for row in rows {
        let wanted = row["wanted"]?.array?.count ?? 0
        table.add(
          ["store_hash", "app", "state"].map(row.shown) + [String(wanted)]
            + [
              "hooks_active", "last_checked_at", "failure", "deactivated_since_at",
              "blocked_until_at",
            ].map(row.shown))
      }
      try console.line(table.text(color: console.hasColor))
    }
  }

  /// `latchkey webhooks plan`.
  struct Plan: Command {
    static let configuration = CommandConfiguration(
      abstract: "Show what apply would change, from a look at each store now.",
      discussion: "Exit status 3 when something would change, or a store could not be looked at.")

    @OptionGroup var stores: WebhookStores
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let rows = try await APIClient.with(console) { client in
        try await stores.plan(client, console)
      }
      try WebhookPlanReport(rows: rows, json: output.json).print(on: console)
      if rows.contains(where: { $0["in_step"]?.bool != true }) {
        throw EarlyExit(status: .unhealthy)
      }
    }
  }

  /// `latchkey webhooks apply`.
  struct Apply: Command {
    static let configuration = CommandConfiguration(
      abstract: "Put the webhooks of stores right now, and wait for the end of it.",
      discussion: """
        It is done by the service, within each store's quota; stopping this command does not stop it. Exit status 1
        when a store's webhooks could not be put right; the service goes on trying.
        """)

    @OptionGroup var stores: WebhookStores
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      try confirmation.check(on: console)
      let failed = try await APIClient.with(console) { client -> [JSONValue]? in
        if confirmation.dryRun {
          let rows = try await stores.plan(client, console)
          try WebhookPlanReport(rows: rows, json: output.json).print(on: console)
          return nil
        }
        let count = try await stores.count(client)
        guard
          try confirmation.allow("put right the webhooks of \(count) stores", on: console)
        else { return nil }
        return try await apply(client, console)
      }
      guard let failed else { return }
      if output.json { try console.line(JSONValue.list(failed).prettyText) }
      guard failed.isEmpty else {
        throw CommandFailure(
          text:
            "\(failed.count) stores are not as they should be: latchkey webhooks list --state failed"
        )
      }
    }

    private func apply(_ client: APIClient, _ console: Console) async throws -> [JSONValue] {
      let answer = try await client.document(
        APICall(method: .post, target: "/v1/webhooks/apply", body: stores.body.encoded()))
      let total = answer["stores"]?.integer ?? 0
      defer { console.endProgress() }
      while true {
        let pending = try await stores.pending(client)
        if pending == 0 { break }
        console.progress(max(0, total - pending), of: total, "stores")
        try await Task.sleep(for: .milliseconds(500))
      }
      console.endProgress()
      let failed = try await stores.failed(client, console)
      if !output.json {
        try console.line("\(total - Int64(failed.count)) of \(total) stores are as they should be.")
      }
      return failed
    }
  }

  /// `latchkey webhooks rotate`.
  struct Rotate: Command {
    static let configuration = CommandConfiguration(
      abstract: "Give a store's webhooks another address and another secret.",
      discussion: "The ones before are accepted for 72 hours longer.")

    @Argument(help: "The store hash.")
    var store: StoreHash
    @OptionGroup var app: AppOptions
    @OptionGroup var confirmation: ConfirmationOptions

    func run(on console: Console) async throws {
      guard
        try confirmation.allow("rotate the webhooks' address of store \(store.text)", on: console)
      else { return }
      let body = JSONValue.object(
        [.init("store_hash", .string(store.text))]
          + (app.app.map { [.init("app", .string($0.text))] } ?? []))
      _ = try await APIClient.with(console) { client in
        try await client.document(
          APICall(method: .post, target: "/v1/webhooks/rotate", body: body.encoded()))
      }
      try console.line("Rotated. The address before is accepted for 72 hours longer.")
    }
  }
}
