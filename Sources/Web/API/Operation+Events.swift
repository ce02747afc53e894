import Base
import BigCommerce
import HTTPTypes
import Storage

extension Operation {
  static let listEvents = Operation(
    .get, "/v1/events", "listEvents", .events, "Reads the feed",
    """
    In one order for all readers. Go on with `next`, which is always there; with `wait` an empty page is answered \
    when the first event comes, or after so many seconds. Events of an app as a whole are for keys of all its stores.
    """, access: .ability(.eventsRead),
    parameters: [
      .feedStart, .eventTypes, .ofStore, .ofApp, .since, .until, .limit,
      .query(
        "wait", .integer(0...EventsAPI.longestWait),
        "How many seconds to wait for the first event; 0 when left out."),
    ],
    answers: [
      .ok(
        .object(
          "EventPage", "A page of the feed.",
          [
            Field("data", .list(of: .placedEvent), "The events, oldest first."),
            Field("next", .cursor, "The cursor to go on with."),
            Field("more", .flag, "Whether there are more now.", example: false),
          ]), "The page.")
    ], problems: [.cursorExpired])

  static let listNewestEvents = Operation(
    .get, "/v1/events/newest", "listNewestEvents", .events, "Lists events, newest first",
    """
    For people who look what happened; programs read the feed. A page may hold fewer than `limit`, and nothing at \
    all, though `next` is there.
    """, access: .ability(.eventsRead),
    parameters: [.eventTypes, .ofStore, .ofApp, .since, .until, .limit, .after],
    answers: [.page(of: .event, "A page of events.")])

  static let showEvent = Operation(
    .get, "/v1/events/{id}", "showEvent", .events, "Shows an event", access: .ability(.eventsRead),
    parameters: [.path("id", .eventID, "The event's ID.")],
    answers: [.ok(.event, "The event.")], problems: [.notFound])

  static let streamEvents = Operation(
    .get, "/v1/events/stream", "streamEvents", .events, "Streams the feed",
    """
    Server-sent events that go on for as long as the client stays: `id` is the event's cursor, `event` its type, \
    `data` the event as `GET /v1/events` shows it. Without `Last-Event-ID` and `after` it begins behind the newest.
    """, access: .ability(.eventsRead),
    parameters: [
      .feedStart, .eventTypes, .ofStore, .ofApp,
      .header("Last-Event-ID", .feedStart, "Where to go on; it wins over `after`."),
    ],
    answers: [
      Answer(
        status: 200, about: "The stream.",
        content: .other(
          "text/event-stream",
          example: """
            retry: 2000

            id: AAAAAQAAAAEAAAAAAAAAEQ
            event: store/order/created
            data: {"id":"evt_…","type":"store/order/created","store_hash":"demo1234"}

            """))
    ], problems: [.cursorExpired])

  static let replayEvents = Operation(
    .post, "/v1/events/replay", "replayEvents", .events, "Pushes events once more",
    """
    To the subscriptions that are named, or to all active ones, each of which gets what it wants of them. Give one \
    of `event_ids` (alone), `from` with or without `to`, `since`, or `failed`.
    """, access: .ability(.operator), body: .object(.replayOfEvents, upTo: .kibibytes(128)),
    answers: [
      .ok(
        .either([
          .replaySum("replayed", "What was put in the queue."),
          .replaySum("would_replay", "What would be."),
        ]), "How many, for each subscription.")
    ], problems: [.notFound, .cursorExpired])
}

extension Parameter {
  fileprivate static let feedStart = Parameter.query(
    "after", .feedStart, "Behind this cursor; `oldest`, or `newest` for what comes from now on.")
  fileprivate static let eventTypes = Parameter.query(
    "type", .eventTypes, "Only of these types, with commas between; `store/order/*` is a family.",
    shown: "store/order/*")
}

extension Schema {
  fileprivate static let feedStart = Schema.either([.word(["oldest", "newest"]), .feedCursor])
  static let feedCursor = Schema.text(
    22...22, pattern: "^[A-Za-z0-9_-]{21}[AQgw]$", words: "cursor of the feed",
    example: "AAAAAQAAAAEAAAAAAAAAEQ")
  static let eventID = Schema.text(
    words: "event ID", example: "evt_6d1f0c4b7a2e4f8d9b3c5a7e1f2d4c6b")
  static let eventType = Schema.text(
    1...255, pattern: "^[!-+\\--.0-~]+(/[!-+\\--.0-~]+)+$", words: "type of events",
    example: "store/order/created")
  /// Commas stand between.
  static let eventTypes = Schema.text(
    pattern: "^([^,*\\u0000]+(/\\*)?|/\\*)(,([^,*\\u0000]+(/\\*)?|/\\*)){0,49}$",
    words: "types, commas between", example: "store/order/*")

  private static let eventFields: [Field] = [
    Field("id", .eventID, "The same for ever, also when it is pushed."),
    Field("type", .text(), "What happened.", example: "store/order/created"),
    Field("app", .appName, "The app."),
    Field("store_hash", .storeHash.orNull, "The store; null for what happened to the app."),
    Field("origin", .word(["platform", "lifecycle", "repair"]), "Who told of it."),
    Field(
      "synthetic", .text().orNull, "Why it was made without a delivery; null where there was one.",
      example: .null),
    Field("occurred_at", .time, "When it happened."),
    Field("recorded_at", .time, "When it was written down."),
    Field("data", .anything, "What is known of it.", example: ["type": "order", "id": 118]),
  ]

  static let event = Schema.object("Event", "Something that happened.", eventFields)

  fileprivate static let placedEvent = Schema.object(
    "PlacedEvent", "An event with its place in the feed.",
    eventFields + [Field("cursor", .feedCursor, "From where the feed goes on behind it.")])

  private static let selectionFields: [Field] = [
    .optional("event_ids", .list(of: .eventID, 1...1000), "These, and nothing else."),
    .optional("failed", .flag, "Only those that could not be delivered."),
    .optional("from", .feedPlace, "Behind this cursor.", example: "oldest"),
    .optional("to", .feedPlace, "Up to this cursor."),
    .optional("since", .time, "What happened from this moment on."),
    .optional("until", .time, "What happened before this moment."),
    .optional("types", .allOr(.eventType, 1...100), "Only of these types."),
    .optional("store", .storeHash, "Only of this store."),
    .optional("app", .appName, "Only of this app."),
    .optional("dry_run", .flag, "Whether to count only.", example: true),
  ]

  private static let feedPlace = Schema.either([.only("oldest"), .feedCursor])

  /// A list stands alone; everything else narrows what begins somewhere, or all that is dead.
  private static let selectionChoices: [JSONValue] = [
    choice(
      with: "event_ids", "array",
      without: ["failed", "from", "to", "since", "until", "types", "store", "app"]),
    choice(with: "from", "string", without: ["event_ids"]),
    choice(with: "since", "string", without: ["event_ids", "to"]),
    [
      "required": ["failed"],
      "properties": [
        "failed": ["const": true], "event_ids": ["type": "null"], "to": ["type": "null"],
      ],
    ],
  ]

  /// Which events of a subscription are meant.
  static let selection = Schema.object(
    "EventSelection", "Which events are meant.", selectionFields, choices: selectionChoices)

  fileprivate static let replayOfEvents = Schema.object(
    "EventReplay", "Which events are pushed once more, and to whom.",
    selectionFields + [
      .optional(
        "subscriptions", .list(of: .subscriptionID, 1...100, unique: true),
        "To these; to all active ones when left out.")
    ], choices: selectionChoices)

  fileprivate static func replaySum(_ word: String, _ about: String) -> Schema {
    .object([
      Field(word, .count, about),
      Field(
        "subscriptions",
        .list(
          of: .object([
            Field("id", .subscriptionID, "The subscription."), Field("name", .text(), "Its name."),
            Field("url", .text(), "Where it gets events.", example: "https://hooks.example.com/in"),
            Field(word, .count, "How many."),
          ])), "Those that get any."),
    ])
  }
}
