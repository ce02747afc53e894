import Base
import BigCommerce
import HTTPTypes

/// The fleet: how many stores are in which state, what their calls came to, and what waits.
enum FleetPages {
  static let section = ConsoleSection(
    title: "Fleet", path: "fleet", ability: .storesRead,
    routes: [
      ConsoleRoute(.get, "fleet", ability: .storesRead) { request throws(Problem) in
        try await show(request, now: WallClock.system.now())
      }
    ])

  static func show(
    _ request: ConsoleRequest, now: Timestamp
  ) async throws(Problem) -> ConsoleAnswer {
    let length = ChartSpan.Length(rawValue: request.query["span"] ?? "hour") ?? .hour
    let fleet = try await request.api.get("/v1/fleet")
    let apps = fleet["data"]?.array ?? []
    let names = apps.compactMap { $0["app"]?.string }
    let app = request.query["app"].flatMap { names.contains($0) ? $0 : nil } ?? names.first
    var values: PageValues = [
      "spans": spans(length, app: names.count > 1 ? app : nil),
      "spanWord": length.rawValue, "apps": tabs(names, app, length), "hasApps": names.count > 1,
    ]
    if let shown = apps.first(where: { $0["app"]?.string == app }) {
      values.merge(standing(shown, app: names.count > 1 ? app : nil)) { $1 }
    }
    let span = ChartSpan(length, now: now)
    if let backlog = fleet["backlog"], backlog != .null {
      values["backlog"] = waiting(backlog)
      values["flow"] = try await FleetFlow(request.api, span).values
    }
    if request.caller.grant.stores == .all, let app {
      values["usage"] = try await FleetUsage(request.api, app: app, span, now: now).values
    }
    return .page(ConsolePage("fleet", title: "Fleet", refresh: 30, values))
  }

  private static func spans(_ chosen: ChartSpan.Length, app: String?) -> [PageValues] {
    ChartSpan.Length.allCases.map { length in
      let query = [("span", length.rawValue)] + (app.map { [("app", $0)] } ?? [])
      return [
        "tab": "Last \(length.rawValue)", "tabLink": ConsoleLink.make("/console/fleet", query),
        "isChosen": length == chosen,
      ]
    }
  }

  private static func tabs(
    _ names: [String], _ chosen: String?, _ length: ChartSpan.Length
  ) -> [PageValues] {
    names.map { name in
      [
        "tab": name,
        "tabLink": ConsoleLink.make(
          "/console/fleet", [("span", length.rawValue), ("app", name)]),
        "isChosen": name == chosen,
      ]
    }
  }

  // MARK: Stores

  /// Of one app; links name it when there are several.
  private static func standing(_ document: JSONValue, app: String?) -> PageValues {
    func count(_ part: String, _ word: String) -> Int64 { document[part]?[word]?.integer ?? 0 }
    let scope = app.map { [("app", $0)] } ?? []
    let states = [
      ("active", "good"), ("suspended", "warn"), ("revoked", "bad"), ("uninstalled", "none"),
    ].map { word, style in
      ShareBar.Part(
        name: word, style: style, count: count("stores", word),
        link: ConsoleLink.make("/console/stores", [("state", word)] + scope))
    }
    let installed = states.dropLast().map(\.count).reduce(0, +)
    let hooks = [
      ("in_step", "in step", "good"), ("pending", "pending", "warn"), ("failed", "failed", "bad"),
      ("parked", "parked", "none"),
    ].map { word, name, style in
      ShareBar.Part(name: name, style: style, count: count("webhooks", word))
    }
    let missing = document["missing_scopes"]?.integer ?? 0
    return [
      "installed": ConsoleWords.count(installed),
      "stateBar": ["parts": ShareBar.values(states)] as PageValues,
      "hookBar": ["parts": ShareBar.values(hooks)] as PageValues,
      "hooksInStep": ConsoleWords.count(count("webhooks", "in_step")),
      "missing": ConsoleWords.count(missing),
      "driftBar": [
        "parts": ShareBar.values([
          .init(name: "complete", style: "good", count: max(0, installed - missing)),
          .init(name: "lacking", style: "warn", count: missing),
        ])
      ] as PageValues,
    ]
  }

  // MARK: What waits

  private static func waiting(_ backlog: JSONValue) -> PageValues {
    func count(_ name: String) -> String { ConsoleWords.count(backlog[name]?.integer ?? 0) }
    let lag = backlog["push_lag_seconds"]?.integer ?? 0
    let dead = backlog["pushes_dead"]?.integer ?? 0
    return [
      "pendingEvents": count("pending_events"), "pushesPending": count("pushes_pending"),
      "pushesDue": count("pushes_due"), "pushesDead": count("pushes_dead"), "hasDead": dead > 0,
      "behind": count("behind_events"),
      "lag": lag < 120 ? "\(lag)\u{202F}s" : "\(ConsoleWords.count(lag / 60))\u{202F}min",
    ]
  }
}
