import ArgumentParser
import Base
import BigCommerce
import HTTPTypes

extension ComparedResource: ExpressibleByArgument {}

extension Webhooks {
  /// `latchkey webhooks repair`.
  struct Repair: Command {
    static let configuration = CommandConfiguration(
      abstract: "Read from stores what webhooks did not tell, and wait for the end of it.",
      discussion: """
        Orders, products and customers that were changed since are compared with the feed; what it lacks becomes
        events that are marked as synthetic. Deletions cannot be found. It is done by the service, within each
        store's quota; stopping this command does not stop it. Exit status 1 when a store could not be read; the
        service goes on trying.
        """)

    @OptionGroup var stores: WebhookStores
    @Option(
      name: .long,
      help: ArgumentHelp(
        "What changed from then on: a UTC time, or how long ago; 48h if left out.",
        valueName: "time"))
    var since: Moment?
    @Option(name: .long, help: "Only this: orders, products or customers; may be repeated.")
    var resource: [ComparedResource] = []
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      try confirmation.check(on: console)
      let rows = try await APIClient.with(console) { client -> [JSONValue]? in
        let count = try await stores.count(client)
        guard try confirmation.allow("compare \(count) stores with the feed", on: console) else {
          return nil
        }
        _ = try await client.document(
          APICall(method: .post, target: "/v1/webhooks/repair", body: body.encoded()))
        try await wait(client, console)
        return try await RepairReport.rows(client, stores, console)
      }
      guard let rows else { return }
      try RepairReport(rows: rows, json: output.json).print(on: console)
      let failing = rows.count { $0["state"]?.string == "failing" }
      guard failing == 0 else {
        throw CommandFailure(
          text:
            "\(failing) repairs could not be done yet: latchkey webhooks repairs --state failing")
      }
    }

    private var body: JSONValue {
      var members = stores.body.members ?? []
      if let since {
        members.append(.init("since", .string(since.text(now: WallClock.system.now()))))
      }
      if !resource.isEmpty {
        members.append(.init("resources", .array(resource.map { .string($0.rawValue) })))
      }
      return .object(members)
    }

    /// Until nothing waits but what has failed.
    private func wait(_ client: APIClient, _ console: Console) async throws {
      defer { console.endProgress() }
      while true {
        let counts = try await RepairReport.counts(client, stores)
        let left = (counts["waiting"] ?? 0) + (counts["running"] ?? 0)
        if left == 0 { return }
        let total = counts.values.reduce(0, +)
        console.progress(total - left, of: total, "repairs")
        try await Task.sleep(for: .milliseconds(500))
      }
    }
  }

  /// `latchkey webhooks repairs`.
  struct RepairList: Command {
    static let configuration = CommandConfiguration(
      commandName: "repairs",
      abstract: "List the repairs of stores: those under way, and those that were last done.")

    @OptionGroup var stores: WebhookStores
    @Option(
      name: .long,
      help: "Only those in this state: waiting, running, failing, parked, done, skipped.")
    var state: String?
    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let rows = try await APIClient.with(console) { client in
        try await RepairReport.rows(client, stores, state: state, console)
      }
      try RepairReport(rows: rows, json: output.json).print(on: console)
    }
  }
}

/// Repairs for people or programs.
private struct RepairReport {
  let rows: [JSONValue]
  let json: Bool

  static func rows(
    _ client: APIClient, _ stores: WebhookStores, state: String? = nil, _ console: Console
  ) async throws -> [JSONValue] {
    var rows: [JSONValue] = []
    for store in stores.each {
      rows += try await client.rows(
        "/v1/webhooks/repairs",
        [("state", state), ("store", store?.text), ("app", stores.app.app?.text)],
        progress: console)
    }
    return rows
  }

  static func counts(
    _ client: APIClient, _ stores: WebhookStores
  ) async throws -> [String: Int64] {
    var counts: [String: Int64] = [:]
    for store in stores.each {
      let page = try await client.document(
        APICall(
          target: APIPath.target(
            "/v1/webhooks/repairs",
            [("store", store?.text), ("app", stores.app.app?.text), ("limit", "1")])))
      for member in page["counts"]?.members ?? [] {
        counts[member.name, default: 0] += member.value.integer ?? 0
      }
    }
    return counts
  }

  func print(on console: Console) throws {
    guard !json else { return try console.line(JSONValue.list(rows).prettyText) }
    guard !rows.isEmpty else { return console.note("No repairs.") }
    var table = Table([
      "STORE", "APP", "RESOURCE", "STATE", "WHY", "SINCE", "COMPARED", "EVENTS", "FAILURE", "ENDED",
    ])
    for row in rows {
      table.add(
        [
          "store_hash", "app", "resource", "state", "reason", "since_at", "compared", "events",
          "failure", "finished_at",
        ].map(row.shown))
    }
    try console.line(table.text(color: console.hasColor))
  }
}

extension WebhookStores {
  /// Each store that is named; one `nil` for all of them.
  fileprivate var each: [StoreHash?] { stores.isEmpty ? [nil] : stores }
}
