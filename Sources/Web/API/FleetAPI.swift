package import Base
import BigCommerce
import Postgres
package import Storage

/// `/v1/fleet`: the stores that a key holds in a few numbers, and what waits.
package struct FleetAPI: Sendable {
  /// What the feed and the pushes had before them when it was last looked.
  package typealias Waiting = @Sendable () -> Backlog

  let count: FleetCount
  let drift: ScopeDrift
  let webhooks: WebhookStates
  let apps: [AppName]
  let waiting: Waiting

  package init(
    count: FleetCount, drift: ScopeDrift, webhooks: WebhookStates, apps: [AppName],
    waiting: @escaping Waiting
  ) {
    self.count = count
    self.drift = drift
    self.webhooks = webhooks
    self.apps = apps
    self.waiting = waiting
  }

  package var routes: [APIRoute] {
    [APIRoute(.showFleet) { request throws(Problem) in try await show(request) }]
  }

  private func show(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let grant = request.caller.grant
    let wanted = try request.webhookFilter(app: request.query["app"]).app
    let shown = apps.filter { grant.allows(app: $0) && (wanted == nil || wanted == $0) }
    let states = try await stored { () throws(PostgresError) in
      try await count.states(of: shown, among: grant.stores)
    }
    var documents: [JSONValue] = []
    for app in shown {
      documents.append(try await document(of: app, states[app] ?? [:], grant.stores))
    }
    return APIAnswer([
      "data": .array(documents), "backlog": grant.seesBacklog ? waiting().document : .null,
    ])
  }

  private func document(
    of app: AppName, _ states: [InstallationState: Int], _ granted: Grant.Stores
  ) async throws(Problem) -> JSONValue {
    var filter = WebhookFilter()
    filter.app = app
    filter.granted = granted
    let asked = filter
    let hooks = try await stored { () throws(PostgresError) in try await webhooks.counts(asked) }
    let summary = try await stored { () throws(PostgresError) in
      try await drift.summary(of: app, requiring: nil, among: granted)
    }
    return [
      "app": .string(app.text),
      "stores": .object(
        InstallationState.allCases.map { .init($0.rawValue, .integer(states[$0] ?? 0)) }),
      "missing_scopes": .integer(summary?.missing ?? 0),
      "webhooks": .object(
        WebhookState.allCases.map { .init($0.rawValue, .integer(hooks[$0] ?? 0)) }),
    ]
  }
}

extension Backlog {
  fileprivate var document: JSONValue {
    [
      "pending_events": .integer(pendingEvents), "pushes_pending": .integer(pending),
      "pushes_due": .integer(due), "pushes_dead": .integer(dead),
      "push_lag_seconds": .integer(overdue.components.seconds),
      "behind_events": .integer(behind),
      "subscriptions": .object(
        SubscriptionState.allCases.map { .init($0.rawValue, .integer(subscriptions[$0] ?? 0)) }),
    ]
  }
}
