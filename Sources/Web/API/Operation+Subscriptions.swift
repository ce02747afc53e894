import Base
import BigCommerce
import Events
import HTTPTypes
import Storage

extension Operation {
  static let listSubscriptions = Operation(
    .get, "/v1/subscriptions", "listSubscriptions", .subscriptions, "Lists subscriptions",
    access: .ability(.eventsRead),
    parameters: [
      .limit,
      .query("after", .subscriptionID, "Behind this one: the `next` of the previous answer."),
    ], answers: [.page(of: .subscription, "A page of subscriptions.")])

  static let createSubscription = Operation(
    .post, "/v1/subscriptions", "createSubscription", .subscriptions, "Subscribes an endpoint",
    access: .ability(.operator), body: .object(.subscriptionOrder, upTo: .kibibytes(256)),
    answers: [.created(.subscriptionWithSecret, "The subscription; its secret is shown once.")],
    problems: [.notFound, .internal])

  static let showSubscription = Operation(
    .get, "/v1/subscriptions/{id}", "showSubscription", .subscriptions, "Shows a subscription",
    access: .ability(.eventsRead), parameters: [.subscriptionID],
    answers: [.ok(.subscription, "The subscription.")], problems: [.notFound])

  static let changeSubscription = Operation(
    .patch, "/v1/subscriptions/{id}", "changeSubscription", .subscriptions,
    "Changes a subscription",
    "What is left out stays as it is.", access: .ability(.operator), parameters: [.subscriptionID],
    body: .object(.subscriptionChange, upTo: .kibibytes(256)),
    answers: [.ok(.subscription, "The subscription as it is now.")], problems: [.notFound])

  static let deleteSubscription = Operation(
    .delete, "/v1/subscriptions/{id}", "deleteSubscription", .subscriptions, "Ends a subscription",
    "Events that were to be pushed are not pushed any more.", access: .ability(.operator),
    parameters: [.subscriptionID], answers: [.done], problems: [.notFound])

  static let rotateSubscription = Operation(
    .post, "/v1/subscriptions/{id}/rotate", "rotateSubscription", .subscriptions,
    "Makes a new signing secret", "The old one signs beside it until the overlap has ended.",
    access: .ability(.operator), parameters: [.subscriptionID],
    body: .optional(
      .overlap(upTo: Subscriptions.longestOverlap, usual: Subscriptions.usualOverlap),
      upTo: .kibibytes(4)),
    answers: [.created(.subscriptionWithSecret, "The subscription with its new secret.")],
    problems: [.notFound, .tooManySecrets, .internal])

  static let enableSubscription = Operation(
    .post, "/v1/subscriptions/{id}/enable", "enableSubscription", .subscriptions,
    "Begins pushing again",
    access: .ability(.operator), parameters: [.subscriptionID],
    answers: [.ok(.subscription, "The subscription as it is now.")], problems: [.notFound])

  static let disableSubscription = Operation(
    .post, "/v1/subscriptions/{id}/disable", "disableSubscription", .subscriptions, "Stops pushing",
    access: .ability(.operator), parameters: [.subscriptionID],
    answers: [.ok(.subscription, "The subscription as it is now.")], problems: [.notFound])

  static let pingSubscription = Operation(
    .post, "/v1/subscriptions/{id}/ping", "pingSubscription", .subscriptions, "Pushes a test event",
    "At once and not again; nothing of it is kept.", access: .ability(.operator),
    parameters: [.subscriptionID],
    answers: [
      .ok(
        .object(
          "Ping", "What came of a test event.",
          [
            Field("delivered", .flag, "Whether it was taken."),
            Field("event_id", .eventID, "The test event's ID."),
          ] + Schema.attempt.fields), "What the endpoint answered.")
    ], problems: [.notFound, .internal, .draining])

  static let listPushes = Operation(
    .get, "/v1/subscriptions/{id}/deliveries", "listPushes", .subscriptions,
    "Lists what was pushed",
    "Newest first.", access: .ability(.eventsRead),
    parameters: [
      .subscriptionID, .limit,
      .query(
        "after", .text(pattern: "^[0-9]{1,18}$", words: "cursor", example: "17"),
        "Behind this one: the `next` of the previous answer."),
      .query("state", .word(PushState.self), "Only in this state."),
    ], answers: [.page(of: .push, "A page of pushes.")], problems: [.notFound])

  static let replayToSubscription = Operation(
    .post, "/v1/subscriptions/{id}/replay", "replayToSubscription", .subscriptions,
    "Pushes events once more",
    "Give one of `event_ids` (alone), `from` with or without `to`, `since`, or `failed`.",
    access: .ability(.operator), parameters: [.subscriptionID],
    body: .object(.selection, upTo: .kibibytes(128)),
    answers: [.ok(.number(of: "replayed", or: "would_replay"), "How many.")],
    problems: [.notFound, .cursorExpired])

  static let discardOfSubscription = Operation(
    .post, "/v1/subscriptions/{id}/discard", "discardOfSubscription", .subscriptions,
    "Forgets dead letters",
    "Give one of `event_ids` (alone), `from` with or without `to`, `since`, or `failed`.",
    access: .ability(.operator), parameters: [.subscriptionID],
    body: .object(.selection, upTo: .kibibytes(128)),
    answers: [.ok(.number(of: "discarded", or: "would_discard"), "How many.")],
    problems: [.notFound, .cursorExpired])
}

extension Parameter {
  fileprivate static let subscriptionID = Parameter.path(
    "id", .subscriptionID, "The subscription's ID.")
}

extension Schema {
  static let subscriptionID = Schema.text(
    words: "subscription ID", example: "sub_5kq7w2m9x3ap4t6r")

  fileprivate static func number(of done: String, or would: String) -> Schema {
    .either([
      .object([Field(done, .count, "How many were.")]),
      .object([Field(would, .count, "How many would be.")]),
    ])
  }

  private static let pushURL = Schema.text(
    1...PushURL.maxLength, format: "uri", words: "https URL",
    example: "https://hooks.example.com/in")
  private static let types = Schema.allOr(.eventType, 1...100)
  private static let name = Schema.text(0...100, pattern: "^[^\\u0000-\\u001f\\u007f]*$")

  fileprivate static let subscriptionOrder = Schema.object(
    "SubscriptionOrder", "An endpoint to push events to.",
    [
      Field(
        "url", pushURL,
        "Where to: https, or http to this machine; without credentials and fragment."),
      Field("types", types, "`[\"*\"]`, types, or families such as `store/order/*`."),
      .optional("stores", .storeNames, "Which stores; all of the key's when left out."),
      .optional("app", .appName, "Which app; the key's own when left out."),
      .optional("name", name, "What it is for, one line.", example: "warehouse"),
      .optional(
        "concurrency", .integer(SubscriptionsAPI.concurrency),
        "How many pushes at once; 4 when left out."),
    ])

  fileprivate static let subscriptionChange = Schema.object(
    "SubscriptionChange", "What of a subscription shall be otherwise.",
    [
      .optional("url", pushURL, "Where to."), .optional("types", types, "Which types."),
      .optional("stores", .storeNames, "Which stores."), .optional("name", name, "What it is for."),
      .optional(
        "concurrency", .integer(SubscriptionsAPI.concurrency), "How many pushes at once.",
        example: 8),
    ])

  private static let subscriptionFields: [Field] = [
    Field("id", .subscriptionID, "Its ID."),
    Field("name", .text(), "What it is for.", example: "warehouse"),
    Field("url", .text(), "Where events go.", example: "https://hooks.example.com/in"),
    Field("app", .appName.orNull, "Which app; null for all."),
    Field("stores", .list(of: .text()), "`[\"*\"]`, hashes and labels.", example: ["*"]),
    Field(
      "types", .list(of: .text()), "`[\"*\"]`, types and families.", example: ["store/order/*"]),
    Field("concurrency", .integer(SubscriptionsAPI.concurrency), "How many pushes at once."),
    Field("state", .word(SubscriptionState.self), "Whether events are pushed."),
    Field("state_changed_at", .time, "Since when."),
    Field("created_by", .text(), "The key that made it.", example: "k4q7w2m5x3ap"),
    Field("created_at", .time, "When it was made."),
    Field("pending", .count, "Pushes that are due or will be."),
    Field("dead", .count, "Pushes that were given up."),
    Field("failures", .count, "Failed attempts since the last success."),
    Field("failing_since_at", .time.orNull, "Since when nothing has succeeded.", example: .null),
    Field("last_failed_at", .time.orNull, "The last failure.", example: .null),
    Field("last_succeeded_at", .time.orNull, "The last success."),
    Field("paused_until_at", .time.orNull, "Until when it rests.", example: .null),
  ]

  fileprivate static let subscription = Schema.object(
    "Subscription", "An endpoint that events are pushed to.", subscriptionFields)

  fileprivate static let subscriptionWithSecret = Schema.object(
    "SubscriptionWithSecret", "A subscription with a secret that was made.",
    subscriptionFields + [
      Field("secret", .text(pattern: "^whsec_", example: "whsec_…"), "What signs; shown once.")
    ])

  fileprivate static let attempt = Schema.object(
    "PushAttempt", "An attempt to push an event.",
    [
      Field("sent_at", .time, "When."),
      Field("url", .text(), "Where to.", example: "https://hooks.example.com/in"),
      Field("status", .integer.orNull, "What was answered.", example: 200),
      Field("failure", .text().orNull, "Why it failed.", example: .null),
      Field("duration_ms", .count, "How long it took.", example: 31),
      Field("answer", .text(), "The beginning of the answer.", example: ""),
    ])

  fileprivate static let push = Schema.object(
    "Push", "An event on its way to a subscription.",
    [
      Field("id", .text(example: "17"), "Its number."),
      Field("event", .event, "The event, which is the body of each request."),
      Field("state", .word(PushState.self), "How far it is."),
      Field("attempts", .count, "How many attempts there were."),
      Field("due_at", .time.orNull, "When the next one is."),
      Field("under_way", .flag, "Whether one is being made."),
      Field("created_at", .time, "When it was put in the queue."),
      Field("finished_at", .time.orNull, "When it ended."),
      Field("log", .list(of: loggedAttempt), "The last attempts."),
    ])

  private static let loggedAttempt = Schema.object(
    "LoggedPushAttempt", "An attempt as it is kept.",
    [Field("attempt", .count, "Its number, from 1.", example: 1)] + attempt.fields)
}
