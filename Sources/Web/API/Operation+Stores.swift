import Base
import BigCommerce
import HTTPTypes
import Storage
import Upstream

extension Operation {
  static let listStores = Operation(
    .get, "/v1/stores", "listStores", .stores, "Lists stores", access: .ability(.storesRead),
    parameters: [
      .ofApp, .query("state", .word(InstallationState.self), "Only in this state."),
      .query("scope", .text(), "Only those that have granted this scope."),
      .query("missing_scope", .text(), "Only those that have not granted this scope."),
      .query("label", .label, "Only those with this label."),
      .query(
        "health", .healths, "Only those that answer so; several words with commas between.",
        shown: "suspended,network"),
      .query(
        "q", .text(), "Only those whose hash, name or domain begins so, in small letters or large."),
      .query(
        "problem", .word(StoreProblem.self),
        "Only those that BigCommerce refuses, that lack a required scope, whose webhooks could not be put right, or that do not answer well."
      ),
      .query("sort", .word(StoreOrder.words), "The order; a minus reverses it."), .limit, .after,
    ], answers: [.page(of: .store, "A page of stores, by app and hash unless sorted.")])

  static let showStore = Operation(
    .get, "/v1/stores/{store_hash}", "showStore", .stores, "Shows a store with its users",
    access: .ability(.storesRead), parameters: [.storeHash, .app],
    answers: [.ok(.storeWithUsers, "The store.")], problems: [.notFound])

  static let listStoreErrors = Operation(
    .get, "/v1/stores/{store_hash}/errors", "listStoreErrors", .stores,
    "Tells which calls of a store failed of late",
    "The newest first, of the last 7 days: at most \(CallFailures.kept) of each status that BigCommerce answered and of each `code` of the gateway's own refusals. Some seconds late.",
    access: .ability(.storesRead), parameters: [.storeHash, .app],
    answers: [.page(of: .callFailure, "The calls; `next` is always null.")],
    problems: [.notFound])

  static let labelStore = Operation(
    .patch, "/v1/stores/{store_hash}", "labelStore", .stores, "Changes a store's labels",
    "Either `labels`, which replaces them all, or `add_labels` and `remove_labels`.",
    access: .ability(.storesWrite), parameters: [.storeHash, .app],
    body: .object(.labelChange, upTo: .kibibytes(16)),
    answers: [.ok(.storeWithUsers, "The store as it is now.")], problems: [.notFound])

  static let importStore = Operation(
    .post, "/v1/stores", "importStore", .stores, "Imports a store by its token",
    "For an API account, or an app that moves over. The token is tried with a real call before it is kept.",
    access: .ability(.storesWrite), parameters: [.dryRun],
    body: .object(.broughtToken, upTo: .kibibytes(16)),
    answers: [
      .ok(
        .object(
          [
            Field("store_hash", .storeHash, "The store."),
            Field("result", .only("would_import"), "What would be done."),
          ]), "A dry run: the token is good, and nothing was changed."),
      .created(.storeWithUsers, "The token is kept."),
    ], problems: [.superseded, .tokenRefused, .internal, .tokenNotProved])

  static let importStores = Operation(
    .post, "/v1/stores/import", "importStores", .stores, "Imports many stores",
    "At most 1000 lines, each as the body of `POST /v1/stores`, tried one after the other.",
    access: .ability(.storesWrite), parameters: [.app, .dryRun],
    body: .lines(of: .broughtToken, upTo: .mebibytes(8)),
    answers: [.page(of: .importResult, "What became of each line.")])

  static let verifyStore = Operation(
    .post, "/v1/stores/{store_hash}/verify", "verifyStore", .stores, "Tries a store's token",
    "Makes one real call that needs no scope, and records what follows for the store's state.",
    access: .ability(.storesWrite), parameters: [.storeHash, .app],
    answers: [
      .ok(
        .object(
          "VerifiedStore", "A store whose token has been tried.",
          [Field("verdict", .word(["accepted", "refused", "unclear"]), "What BigCommerce said.")]
            + Schema.storeWithUsers.fields), "The store as it is now.")
    ], problems: [.notFound, .uninstalledAlready])

  static let suspendStore = Operation(
    .post, "/v1/stores/{store_hash}/suspend", "suspendStore", .stores, "Stops calls to a store",
    access: .ability(.storesWrite), parameters: [.storeHash, .app],
    answers: [.ok(.storeWithUsers, "The store as it is now.")],
    problems: [.notFound, .uninstalledAlready])

  static let resumeStore = Operation(
    .post, "/v1/stores/{store_hash}/resume", "resumeStore", .stores,
    "Allows calls to a store again",
    access: .ability(.storesWrite), parameters: [.storeHash, .app],
    answers: [.ok(.storeWithUsers, "The store as it is now.")],
    problems: [.notFound, .uninstalledAlready])

  static let deleteStore = Operation(
    .delete, "/v1/stores/{store_hash}", "deleteStore", .stores, "Destroys a store's token",
    "The store is `uninstalled` afterwards, and calls to it end. BigCommerce is told nothing.",
    access: .ability(.storesWrite),
    parameters: [
      .storeHash, .app,
      .query("purge", .flag, "Whether all data of the store goes too; false when left out."),
    ], answers: [.ok(.storeWithUsers, "The store as it is now.")],
    problems: [.notFound, .uninstalledAlready])
}

extension Parameter {
  static let dryRun = Parameter.query(
    "dry_run", .flag, "Whether to try only, and keep nothing; false when left out.")
}

extension Schema {
  fileprivate static let healthWords = StoreHealth.allCases.map(\.rawValue) + ["unknown"]

  fileprivate static let healths = Schema.text(
    pattern: "^(?:\(words))(?:,(?:\(words)))*$", words: "words of health", example: "suspended")

  private static let words = healthWords.joined(separator: "|")

  private static let scopes = Schema.list(of: .scopeName)

  private static let storeFields: [Field] = [
    Field("store_hash", .storeHash, "The store."),
    Field("app", .appName, "The app that is installed on it."),
    Field(
      "name", .text(example: "Copper Kettle").orNull,
      "What the store called itself when it was last asked; null while it was not."),
    Field("domain", .text(example: "copper-kettle.example").orNull, "Its domain, likewise."),
    Field("state", .word(InstallationState.self), "What may be done with it."),
    Field("generation", .count, "Counts the tokens that it has had.", example: 1),
    Field("scopes", scopes, "What the store has granted."),
    Field("required_scopes", scopes, "What the app requires."),
    Field("missing_scopes", scopes, "What is required and not granted.", example: []),
    Field("drift", .flag, "Whether anything is missing.", example: false),
    Field("labels", .list(of: .label), "Words that operators gave it."),
    Field("source", .word(["oauth", "import"]), "Where its token came from."),
    Field("owner_id", .integer.orNull, "The store's owner, a user's ID."),
    Field(
      "authorized_at", .time.orNull, "When the merchant consented last, by BigCommerce's clock."),
    Field("installed_at", .time.orNull, "When the app was installed last."),
    Field("token_stored_at", .time.orNull, "When its token was kept."),
    Field(
      "token_verified_at", .time.orNull, "When its token was last seen to work.", example: .null),
    Field("state_changed_at", .time, "Since when it has been in its state."),
    Field("suspended_at", .time.orNull, "When an operator stopped it.", example: .null),
    Field("uninstalled_at", .time.orNull, "When the app was removed.", example: .null),
    Field("hooks", storeHooks.orNull, "Its webhooks; null where none are wanted.", example: .null),
    Field(
      "health", .word(Schema.healthWords).orNull,
      "How the store's API answers; null while it has no token."),
    Field(
      "health_detail", .word(HealthLook.Detail.self).orNull, "What the last look at it was.",
      example: "accepted"),
    Field("health_since_at", .time.orNull, "The first look that showed this health."),
    Field("health_checked_at", .time.orNull, "The last look."),
    Field(
      "quota", storeQuota.orNull,
      "What this replica knows of its API; null before the first call.", example: .null),
    Field("last_call_at", .time.orNull, "When this replica called it last.", example: .null),
    Field("last_status", .integer.orNull, "What that call was answered.", example: .null),
  ]

  static let store = Schema.object("Store", "An installation of an app on a store.", storeFields)

  static let storeWithUsers = Schema.object(
    "StoreWithUsers", "An installation with the store's users who have opened the app.",
    storeFields + [Field("users", .list(of: storeUser), "Newest first.")])

  private static let storeHooks = Schema.object(
    "StoreHooks", "How far a store's webhooks are what they should be.",
    [
      Field("state", .word(WebhookState.self), "How far."),
      Field("wanted", .count, "How many there should be."),
      Field("active", .count, "How many of them are switched on."),
      Field("failure", .text().orNull, "Why the last look failed.", example: .null),
    ])

  fileprivate static let storeUser = Schema.object(
    "StoreUser", "A user of a store.",
    [
      Field("id", .integer, "BigCommerce's ID."),
      Field("email", .text(example: "jo@example.com").orNull, "The address at the last visit."),
      Field("locale", .text(example: "en").orNull, "The language at the last visit."),
      Field("is_owner", .flag, "Whether the store is theirs."),
      Field("first_seen_at", .time.orNull, "The first visit."),
      Field("last_seen_at", .time.orNull, "The last visit."),
      Field("removed_at", .time.orNull, "When the owner took away the access.", example: .null),
    ])

  private static let storeQuota = Schema.object(
    "StoreQuota", "What a replica has learned of a store's API, and what it does about it.",
    [
      Field("remaining", .integer.orNull, "Calls left in the window."),
      Field("limit", .integer.orNull, "Calls per window."),
      Field("window_ms", .integer.orNull, "How long a window is."),
      Field("reset_ms", .integer.orNull, "How long until the window ends, when it was told."),
      Field("seen_at", .time.orNull, "When it was told."),
      Field("held", .count, "Calls that the replica holds for the store."),
      Field("in_flight", .count, "Calls that are with BigCommerce."),
      Field("concurrency_limit", .count, "How many may be at once now."),
      Field("waiting_interactive", .count, "Interactive calls that wait."),
      Field("waiting_bulk", .count, "Bulk calls that wait."),
      Field("longest_wait_ms", .count, "How long the first of them has waited."),
      Field("stopped_until_at", .time.orNull, "Until when a 429 stops all calls.", example: .null),
      Field("breaker", .word(StoreStanding.BreakerState.self), "Whether calls are tried at all."),
      Field("breaker_cause", .text().orNull, "Why not.", example: .null),
      Field("breaker_until_at", .time.orNull, "When one is tried again.", example: .null),
      Field("breaker_families", .list(of: .text()), "Endpoints that are not tried.", example: []),
      Field("recent_failures", .count, "Failures of late."),
      Field("retry_budget", .integer, "How many repetitions may be made."),
      Field("retry_budget_used", .integer, "How many were made of late."),
    ])

  fileprivate static let callFailure = Schema.object(
    "CallFailure", "A call of a store that came to nothing good.",
    [
      Field("at", .time, "When it came."),
      Field("request_id", .requestID, "Its request ID, which answers and log lines tell."),
      Field("caller", .text(example: "k4q7w2m5x3ap"), "The ID of the caller's key."),
      Field("caller_name", .text(example: "orders").orNull, "What the key is for."),
      Field("method", .text(example: "GET"), "Its method."),
      Field(
        "path", .text(example: "/v3/catalog/products/7"),
        "Below the store, without its query; at most \(FailedCall.longestPath) bytes."),
      Field("status", .count, "What the caller was answered.", example: 404),
      Field(
        "code", .text(example: "scope_missing").orNull,
        "Of the gateway's refusal; null when BigCommerce answered.", example: .null),
      Field(
        "outcome", .word(FailedCall.Outcome.self),
        "Whether BigCommerce answered, nothing was sent, or a write may have happened."),
      Field("duration_ms", .count, "How long it took until that was known."),
    ])

  private static let labels = Schema.list(of: .label, 0...StoreLabel.mostPerStore)

  static let labelChange = Schema.object(
    "LabelChange", "Either all labels, or some to add and some to remove.",
    [
      .optional("labels", labels, "All labels that the store shall have.", example: ["eu", "vip"]),
      .optional("add_labels", .list(of: .label), "Labels to add."),
      .optional("remove_labels", .list(of: .label), "Labels to remove."),
    ],
    choices: [
      Schema.choice(with: "labels", "array", without: ["add_labels", "remove_labels"]),
      Schema.choice(with: "add_labels", "array", without: ["labels"]),
      Schema.choice(with: "remove_labels", "array", without: ["labels"]),
    ])

  static let broughtToken = Schema.object(
    "BroughtToken", "A token that an operator brings.",
    [
      Field("store_hash", .storeHash, "The store."),
      Field(
        "access_token", .text(1...512, pattern: "^[!-~]+$", example: "rahjwexampletoken"),
        "The store's token."),
      .optional("app", .appName, "The app whose token it is; the key's own when left out."),
      .optional(
        "scopes", scopes,
        "What was granted; what the app requires when left out, for BigCommerce does not tell."),
      .optional("labels", labels, "What the store's labels shall be."),
    ])

  fileprivate static let importResult = Schema.object(
    "ImportResult", "What became of a line.",
    [
      Field("line", .count, "Its number, from 1.", example: 1),
      .sometimes(
        "store_hash", .storeHash, "The store, if the line named one.", example: "demo1234"),
      Field("result", .word(["imported", "would_import", "refused"]), "What became of it."),
      .sometimes("code", .text(), "Why it was refused."),
      .sometimes("detail", .sentence, "What to do about it."),
    ])
}
