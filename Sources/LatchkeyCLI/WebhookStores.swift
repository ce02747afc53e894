import ArgumentParser
import Base
import HTTPTypes

/// Which stores' webhooks a command is about.
struct WebhookStores: ParsableArguments {
  @Argument(help: "Store hashes; none: all stores.")
  var stores: [StoreHash] = []
  @OptionGroup var app: AppOptions

  /// The stores as the API takes them.
  var body: JSONValue {
    var members: [JSONValue.Member] = []
    if !stores.isEmpty {
      members.append(.init("stores", .array(stores.map { .string($0.text) })))
    }
    if let app = app.app { members.append(.init("app", .string(app.text))) }
    return .object(members)
  }

  /// What would be done, page after page.
  func plan(_ client: APIClient, _ console: Console) async throws -> [JSONValue] {
    var rows: [JSONValue] = []
    var after: String?
    var total: Int64?
    defer { console.endProgress() }
    repeat {
      let page = try await client.document(
        APICall(
          method: .post,
          target: APIPath.target("/v1/webhooks/plan", [("limit", "50"), ("after", after)]),
          body: body.encoded(), patience: .seconds(1800)))
      rows += page["data"]?.array ?? []
      after = page["next"]?.string
      guard after != nil else { break }
      if total == nil { total = try await count(client) }
      console.progress(Int64(rows.count), of: total ?? 0, "stores")
    } while after != nil
    return rows
  }

  /// How many of them can be put right.
  func count(_ client: APIClient) async throws -> Int64 {
    let counts = try await self.counts(client)
    return counts.filter { $0.name != "parked" }.compactMap(\.value.integer).reduce(0, +)
  }

  /// How many of them wait.
  func pending(_ client: APIClient) async throws -> Int64 {
    let counts = try await self.counts(client)
    return counts.first { $0.name == "pending" }?.value.integer ?? 0
  }

  /// Those that are not as they should be.
  func failed(_ client: APIClient, _ console: Console) async throws -> [JSONValue] {
    let rows = try await client.rows(
      "/v1/webhooks", [("state", "failed"), ("app", app.app?.text)], progress: console)
    let names = Set(stores.map(\.text))
    return rows.filter { row in
      names.isEmpty || row["store_hash"]?.string.map(names.contains) == true
    }
  }

  private func counts(_ client: APIClient) async throws -> [JSONValue.Member] {
    var counts: [String: Int64] = [:]
    for store in stores.isEmpty ? [nil] : stores.map({ $0 as StoreHash? }) {
      let page = try await client.document(
        APICall(
          target: APIPath.target(
            "/v1/webhooks",
            [("store", store?.text), ("app", app.app?.text), ("limit", "1")])))
      for member in page["counts"]?.members ?? [] {
        counts[member.name, default: 0] += member.value.integer ?? 0
      }
    }
    return counts.map { JSONValue.Member($0.key, .integer($0.value)) }
  }
}

/// A plan for people or programs.
struct WebhookPlanReport {
  let rows: [JSONValue]
  let json: Bool

  func print(on console: Console) throws {
    guard !json else { return try console.line(JSONValue.list(rows).prettyText) }
    var table = Table(["STORE", "APP", "CHANGE", "SCOPE", "HOOK", "WHY"])
    var changed = 0
    for row in rows where row["in_step"]?.bool != true {
      changed += 1
      let head = ["store_hash", "app"].map(row.shown)
      if let failure = row["failure"]?.string { table.add(head + ["?", "", "", failure]) }
      for action in row["actions"]?.array ?? [] {
        table.add(head + ["action", "scope", "hook_id", "reasons"].map(action.shown))
      }
      for scope in row["unavailable"]?.array ?? [] {
        table.add(head + ["none", scope.string ?? "", "", "no_room"])
      }
    }
    if changed > 0 { try console.line(table.text(color: console.hasColor) + "\n") }
    try console.line("\(rows.count - changed) of \(rows.count) stores are as they should be.")
  }
}
