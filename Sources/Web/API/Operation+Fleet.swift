import Base
import BigCommerce
import HTTPTypes
import Storage

extension Operation {
  static let showFleet = Operation(
    .get, "/v1/fleet", "showFleet", .fleet, "Counts stores, and what waits",
    "Of the stores that the key holds. What waits is told to keys for all stores of all apps with `events:read`.",
    access: .ability(.storesRead), parameters: [.ofApp],
    answers: [
      .ok(
        .object(
          "Fleet", "Stores in a few numbers.",
          [
            Field("data", .list(of: fleetOfApp), "App by app."),
            Field(
              "backlog", backlog.orNull, "What waits."),
          ]), "The numbers.")
    ])

  private static let fleetOfApp = Schema.object([
    Field("app", .appName, "The app."),
    Field("stores", .counts(of: InstallationState.self), "How many stores are in each state."),
    Field("missing_scopes", .count, "How many installed ones lack a required scope."),
    Field(
      "webhooks", .counts(of: WebhookState.self), "How many stores' webhooks are in each state."),
  ])

  private static let backlog = Schema.object(
    "Backlog", "What the feed and the pushes have before them, as of the last 10 seconds.",
    [
      Field("pending_events", .count, "Events that wait for their place in the feed."),
      Field("pushes_pending", .count, "Pushes that are not made yet."),
      Field("pushes_due", .count, "Those of them that are due now."),
      Field("pushes_dead", .count, "Dead letters."),
      Field("push_lag_seconds", .count, "For how long the one that is due longest has been."),
      Field("behind_events", .count, "Events that the last subscription has not been given yet."),
      Field(
        "subscriptions", .counts(of: SubscriptionState.self),
        "How many subscriptions are in each state."),
    ])

  static let showFlow = Operation(
    .get, "/v1/flow", "showFlow", .fleet, "Tells what came in, went out and waited",
    "By time, of all stores of all apps together, so it is told to keys for all of them. Steps in which no replica was there are left out. `since` must lie before `until`, by at most 400 days; minutes are kept for 7 days.",
    access: .ability(.eventsRead),
    parameters: [
      .query("since", .time, "Not before this moment; an hour before `until` when left out."),
      .query("until", .time, "Before this moment; now when left out."),
      .query(
        "step", .word(FlowLedger.Grain.self),
        "How time is divided; minutes up to 3 hours, else hours, when left out."),
      .limit, .after,
    ], answers: [.page(of: .flow, "A page of steps, the oldest first.")])

  static let showDrift = Operation(
    .get, "/v1/scopes/drift", "showDrift", .fleet, "Tells which stores lack scopes",
    "With `scopes` or `also`: what requiring other scopes would do, before they are required.",
    access: .ability(.storesRead),
    parameters: [
      .app, .query("scopes", .scopeList, "These in the place of the required ones."),
      .query("also", .scopeList, "These beside the required ones."),
      .query("status", .word(DriftStatus.self), "Which stores to list; `missing` when left out."),
      .limit, .after,
    ],
    answers: [
      .ok(
        .page(
          of: .driftOfStore,
          and: [
            Field("app", .appName, "The app."),
            Field("scopes", .list(of: .scopeName), "What is compared with."),
            Field("required_scopes", .list(of: .scopeName), "What is required now."),
            Field("required_scopes_changed_at", .time, "Since when."),
            Field("installed", .count, "How many stores have the app."),
            Field("missing", .count, "How many of them lack something."),
            Field("by_scope", .list(of: scopeStanding), "The same scope by scope."),
          ]), "The sums, and a page of stores.")
    ], problems: [.notFound])

  static let showUsage = Operation(
    .get, "/v1/usage", "showUsage", .fleet, "Tells what calls came to",
    "Sums by time, store, caller and endpoint. `since` must lie before `until`, by at most 400 days.",
    access: .ability(.storesRead),
    parameters: [
      .app, .ofStore, .query("caller", .text(), "Only of this key."),
      .query("family", .text(), "Only of this family of endpoints."),
      .query("since", .time, "Not before this moment; an hour before `until` when left out."),
      .query("until", .time, "Before this moment; now when left out."),
      .query(
        "step", .word(UsageStep.Word.self), "How time is divided; some dozen steps when left out."),
      .query(
        "by",
        .text(
          pattern: "^(store|caller|family)(,(store|caller|family))*$",
          words: "some of store,caller,family", example: "store"),
        "What else to divide by, with commas.", shown: "store"), .limit, .after,
    ], answers: [.page(of: .usage, "A page of sums.")])

  static let listAudit = Operation(
    .get, "/v1/audit", "listAudit", .fleet, "Tells who did what", "Newest first.",
    access: .ability(.operator),
    parameters: [
      .ofApp, .ofStore, .query("actor", .text(), "Only of this key, or fixed word."),
      .query("action", .text(), "Only acts of this kind."), .since, .until, .limit, .after,
    ], answers: [.page(of: .audit, "A page of acts.")])

  private static let scopeStanding = Schema.object([
    Field("scope", .scopeName, "The scope."),
    Field("granted", .count, "How many stores have granted it."),
    Field("missing", .count, "How many have not."),
  ])
}

extension Schema {
  /// Spaces or commas stand between.
  fileprivate static let scopeList = Schema.text(
    pattern:
      "^[\\u0001-\\u0020,\\u007f]*[a-z0-9_]{1,128}([\\u0001-\\u0020,\\u007f]+[a-z0-9_]{1,128}){0,63}[\\u0001-\\u0020,\\u007f]*$",
    words: "scopes, spaces or commas between", example: "store_v2_orders")

  fileprivate static let driftOfStore = Schema.object(
    "StoreDrift", "A store beside scopes.",
    [
      Field("store_hash", .storeHash, "The store."),
      Field("app", .appName, "The app."),
      Field("state", .word(InstallationState.self), "Its state."),
      Field("scopes", .list(of: .scopeName), "What it has granted."),
      Field("missing_scopes", .list(of: .scopeName), "What it has not.", example: []),
      Field("since_at", .time.orNull, "Since when what is required is missing.", example: .null),
      Field("token_stored_at", .time.orNull, "When its token was kept."),
    ])

  fileprivate static let usage = Schema.object(
    "Usage", "What calls came to. What was not asked to be divided by is left out.",
    [
      .sometimes("starts_at", .time, "When the step began.", example: "2026-01-31T09:00:00.000Z"),
      Field("app", .appName, "The app."),
      .sometimes("store_hash", .storeHash, "The store.", example: "demo1234"),
      .sometimes("caller", .text().orNull, "The key; null where it is not known."),
      .sometimes("caller_name", .text().orNull, "What the key is for."),
      .sometimes("family", .text().orNull, "The family of endpoints; null where it is not known."),
      Field("calls", .count, "Calls that were sent."),
      Field("rejected", .count, "Answered 4xx."),
      Field("throttled", .count, "Answered 429."),
      Field("failed", .count, "Answered 5xx, or not at all."),
      Field("refused", .count, "Not sent: no quota in time, or no hope."),
      Field("abandoned", .count, "Whose caller went away."),
      Field("waited", .count, "That waited for quota."),
      Field("sent_bytes", .count, "Of their bodies."),
      Field("received_bytes", .count, "Of their answers."),
      Field("waited_seconds", .number.orNull, "How long they waited together."),
      Field(
        "latency",
        .object([
          Field("mean", .number.orNull, "On average."), Field("p50", .number.orNull, "Half."),
          Field("p95", .number.orNull, "All but a twentieth."),
          Field("p99", .number.orNull, "All but a hundredth."),
        ]), "Seconds until the answer's head."),
    ])

  fileprivate static let flow = Schema.object(
    "Flow", "What came in and went out in a minute or hour, and the most that was seen waiting.",
    [
      Field("starts_at", .time, "When the step began."),
      Field(
        "deliveries_taken", .count,
        "Requests of BigCommerce to webhook addresses that were answered well, repetitions too."),
      Field("deliveries_refused", .count, "Other requests to webhook addresses."),
      Field("events", .count, "Events that came into the feed."),
      Field("pushes_made", .count, "Attempts to push that arrived."),
      Field("pushes_failed", .count, "Attempts that did not."),
      Field("pending_events", .count, "Events that waited for their place in the feed."),
      Field("behind_events", .count, "Events that the last subscription had not been given yet."),
      Field("pushes_pending", .count, "Pushes that were not made yet."),
      Field("pushes_due", .count, "Those of them that were due."),
      Field("pushes_dead", .count, "Dead letters."),
      Field("feed_lag_seconds", .number, "How long an event had waited for its place."),
      Field("push_lag_seconds", .number, "For how long a push had been due."),
    ])

  fileprivate static let audit = Schema.object(
    "Act", "Something that somebody did.",
    [
      Field("id", .text(example: "17"), "Its number."),
      Field("at", .time, "When."),
      Field("actor", .text(example: "k4q7w2m5x3ap"), "Who: a key's ID, or a fixed word."),
      Field("actor_name", .text(example: "ops").orNull, "What the key is for."),
      Field("action", .text(example: "store.suspend"), "What."),
      Field("app", .appName.orNull, "Of which app."),
      Field("store_hash", .storeHash.orNull, "Of which store."),
      Field("request_id", .requestID.orNull, "By which request."),
      Field("details", .anything, "What else is known."),
    ])
}
