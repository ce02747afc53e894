import Base
import BigCommerce
import HTTPTypes
import Storage

extension Operation {
  static let listWebhooks = Operation(
    .get, "/v1/webhooks", "listWebhooks", .webhooks, "Lists stores by their webhooks",
    access: .ability(.storesRead),
    parameters: [
      .ofApp, .ofStore, .query("state", .word(WebhookState.self), "Only in this state."), .limit,
      .after,
    ],
    answers: [
      .ok(
        .page(
          of: .storeWebhooks,
          and: [
            Field("counts", .counts(of: WebhookState.self), "How many stores are in each state.")
          ]),
        "A page of stores.")
    ])

  static let planWebhooks = Operation(
    .post, "/v1/webhooks/plan", "planWebhooks", .webhooks, "Tells what would be done",
    "Looks at stores, at most 100 a page; each look costs two calls of the store's quota or more.",
    access: .ability(.storesRead), parameters: [.limit, .after],
    body: .optional(.storeChoice, upTo: .kibibytes(64)),
    answers: [.page(of: .webhookPlan, "A page of plans.")])

  static let applyWebhooks = Operation(
    .post, "/v1/webhooks/apply", "applyWebhooks", .webhooks, "Puts webhooks right",
    "Soon, and one store after the other; `GET /v1/webhooks` tells how far it is.",
    access: .ability(.storesWrite), body: .optional(.storeChoice, upTo: .kibibytes(64)),
    answers: [
      .ok(
        .object([Field("stores", .count, "How many stores.")]), "It will be done.", status: 202)
    ])

  static let rotateWebhook = Operation(
    .post, "/v1/webhooks/rotate", "rotateWebhook", .webhooks,
    "Gives a store's webhooks a new address",
    "And a new secret. The old ones are taken for 72 hours more.", access: .ability(.storesWrite),
    body: .object(
      .object([
        Field("store_hash", .storeHash, "The store."),
        .optional("app", .appName, "The app; the key's own when left out."),
      ]), upTo: .kibibytes(4)), answers: [.done], problems: [.notFound, .vaultFailed])

  static let listRepairs = Operation(
    .get, "/v1/webhooks/repairs", "listRepairs", .webhooks, "Lists repairs",
    "Of what webhooks did not tell, store by store and resource by resource.",
    access: .ability(.storesRead),
    parameters: [
      .ofApp, .ofStore, .query("state", .word(RepairState.self), "Only in this state."), .limit,
      .after,
    ],
    answers: [
      .ok(
        .page(
          of: .repair,
          and: [Field("counts", .counts(of: RepairState.self), "How many are in each state.")]),
        "A page of repairs.")
    ])

  static let repairWebhooks = Operation(
    .post, "/v1/webhooks/repair", "repairWebhooks", .webhooks, "Reads what webhooks did not tell",
    "From the stores themselves; what is found goes into the feed.", access: .ability(.storesWrite),
    body: .optional(
      .object([
        .optional("stores", .chosenStores, "Only these."),
        .optional("app", .appName, "Only of this app."),
        .optional("since", .time, "What changed from this moment on, which lies in the past."),
        .optional(
          "resources", .list(of: .word(ComparedResource.self), 1...100), "Only these.",
          example: ["orders"]),
      ]), upTo: .kibibytes(64)),
    answers: [
      .ok(
        .object([
          Field("stores", .count, "How many stores."),
          Field("repairs", .count, "How many repairs."),
        ]), "It will be done.", status: 202)
    ])
}

extension Schema {
  fileprivate static let chosenStores = Schema.list(of: .storeHash, 1...1000)

  fileprivate static let storeChoice = Schema.object(
    "StoreChoice", "Which stores are meant; all that the key is for when left out.",
    [
      .optional("stores", chosenStores, "Only these.", example: ["demo1234"]),
      .optional("app", .appName, "Only of this app."),
    ])

  static func counts<Word: RawRepresentable & CaseIterable>(
    of type: Word.Type
  ) -> Schema where Word.RawValue == String {
    .object(type.allCases.map { Field($0.rawValue, .count, "How many are `\($0.rawValue)`.") })
  }

  fileprivate static let storeWebhooks = Schema.object(
    "StoreWebhooks", "A store's webhooks.",
    [
      Field("store_hash", .storeHash, "The store."), Field("app", .appName, "The app."),
      Field("state", .word(WebhookState.self), "How far they are what they should be."),
      Field("wanted", .list(of: .text()), "Scopes that are wanted.", example: ["store/order/*"]),
      Field("hooks", .anything, "What was there at the last look.", example: .null),
      Field("hooks_active", .integer.orNull, "How many of them are switched on."),
      Field("unavailable", .list(of: .text()), "Scopes with no place left.", example: []),
      Field("failure", .text().orNull, "Why the last look failed.", example: .null),
      Field("last_checked_at", .time.orNull, "When the last look was."),
      Field("next_check_at", .time.orNull, "When the next one is."),
      Field(
        "deactivated_since_at", .time.orNull, "Since when BigCommerce has them off.", example: .null
      ),
      Field(
        "blocked_until_at", .time.orNull, "Until when BigCommerce sends nothing.", example: .null),
    ])

  fileprivate static let webhookPlan = Schema.object(
    "WebhookPlan", "What would be done about a store's webhooks.",
    [
      Field("store_hash", .storeHash, "The store."), Field("app", .appName, "The app."),
      Field("in_step", .flag, "Whether there is nothing to do."),
      Field("failure", .text().orNull, "Why the store could not be looked at.", example: .null),
      .sometimes("actions", .list(of: hookAction), "In the order of doing.", example: []),
      .sometimes("unavailable", .list(of: .text()), "Scopes with no place left.", example: []),
    ])

  private static let hookAction = Schema.object([
    Field("action", .word(["create", "update", "delete"]), "What is done."),
    Field("scope", .text(), "The webhook's scope."),
    Field("hook_id", .integer.orNull, "BigCommerce's ID; null for one that is made."),
    Field("reasons", .list(of: .word(HookAction.Reason.self)), "Why."),
    Field("off_since_at", .time.orNull, "Since when it has been off."),
  ])

  fileprivate static let repair = Schema.object(
    "Repair", "A store's resource that is read, or was.",
    [
      Field("store_hash", .storeHash, "The store."), Field("app", .appName, "The app."),
      Field("resource", .word(ComparedResource.self), "What is read."),
      Field("state", .word(RepairState.self), "How far it is."),
      Field("reason", .word(RepairReason.self), "Why it is done."),
      Field("failure", .text().orNull, "Why the last step failed.", example: .null),
      Field("since_at", .time.orNull, "From when on something may be missing."),
      Field("compared_from_at", .time.orNull, "From when on it is compared."),
      Field("compared", .count, "How many were compared."),
      Field("events", .count, "How many events were made."),
      Field("planned_at", .time.orNull, "When it was planned."),
      Field("next_step_at", .time.orNull, "When it goes on."),
      Field("finished_at", .time.orNull, "When it ended."),
    ])
}
