import Base
import BigCommerce
import HTTPTypes
import Storage

extension Operation {
  static let listKeys = Operation(
    .get, "/v1/keys", "listKeys", .keys, "Lists keys",
    "Those that the caller could have made, however long they live, and its own; never a secret.",
    access: .ability(.keys),
    parameters: [
      .limit, .query("after", .keyID, "Behind this key: the `next` of the previous answer."),
    ], answers: [.page(of: .serviceKey, "A page of keys.")])

  static let createKey = Operation(
    .post, "/v1/keys", "createKey", .keys, "Makes a key",
    "It may do what its grant says and no more, and never more than the key that makes it.",
    access: .ability(.keys), body: .object(.keyOrder, upTo: .kibibytes(256)),
    answers: [.created(.issuedKey, "The key, which is shown once.")])

  static let revokeKey = Operation(
    .delete, "/v1/keys/{id}", "revokeKey", .keys, "Revokes a key",
    "It ends on every replica within two seconds.", access: .ability(.keys), parameters: [.keyID],
    answers: [.done], problems: [.notFound])

  static let rotateKey = Operation(
    .post, "/v1/keys/{id}/rotate", "rotateKey", .keys, "Makes another key with the same grant",
    "The old one ends with the overlap.", access: .ability(.keys), parameters: [.keyID],
    body: .optional(
      .overlap(upTo: ServiceKeys.longestOverlap, usual: .zero), upTo: .kibibytes(4)),
    answers: [.created(.issuedKey, "The new key, which is shown once.")],
    problems: [.notFound, .keyNotValid])
}

extension Parameter {
  fileprivate static let keyID = Parameter.path("id", .keyID, "The key's ID.")
}

extension Schema {
  /// `{"overlap": seconds}`.
  static func overlap(upTo longest: Duration, usual: Duration) -> Schema {
    .object([
      .optional(
        "overlap", .integer(0...longest.components.seconds),
        "How many seconds the old one counts beside the new; \(usual.components.seconds) when left out.",
        example: 3600)
    ])
  }

  /// `["*"]`, or a list of what it may be.
  static func allOr(_ item: Schema, _ length: ClosedRange<Int>? = nil) -> Schema {
    .either([.list(of: .only("*"), 1...1), .list(of: item, length)])
  }

  static let storeNames = Schema.allOr(
    .text(
      pattern: "^([a-z0-9]{1,32}|label:[a-z0-9][a-z0-9-]{0,31})$", words: "store hash or label:…",
      example: "demo1234"))

  private static let methodName = Schema.word(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])

  private static let pathPattern = Schema.text(
    1...PathPattern.maxLength,
    pattern: "^(/graphql|/v[23](/(\\*|[A-Za-z0-9_~-]+))*/(\\*\\*|\\*|[A-Za-z0-9_~-]+))$",
    words: "path pattern", example: "/v3/catalog/**")

  static let keyOrder = Schema.object(
    "KeyOrder", "A key to make.",
    [
      Field("name", .text(1...100), "What it is for, at most 100 bytes.", example: "warehouse"),
      Field("stores", .storeNames, "Which stores: `[\"*\"]`, hashes, or labels as `label:vip`."),
      Field(
        "scopes", .list(of: .scopeName),
        "Which endpoints, by BigCommerce's scopes; `[\"*\"]` for all.",
        example: ["store_v2_products_read_only"]),
      Field(
        "abilities", .list(of: .word(Ability.self), 1...100), "What else it may do.",
        example: ["proxy"]),
      .optional(
        "app", .appName, "The app whose stores it is for; only an operator's key may leave it out.",
        example: "default"),
      .optional(
        "methods", .allOr(methodName, 1...100),
        "Which methods; all when left out. `GET` holds `HEAD`."),
      .optional(
        "paths", .allOr(pathPattern, 1...PathPattern.mostPerGrant),
        "Which paths, with `*` for a segment and `**` for one or more; all when left out."),
      .optional("rate", .integer(CallRate.allowed), "Calls per minute on each replica."),
      .optional(
        "expires_in", .integer(Grant.lifetimes), "Seconds until it ends; never when left out.",
        example: 2_592_000),
    ],
    choices: [
      Schema.choice(with: "app", "string", without: []),
      ["properties": ["abilities": ["contains": ["const": "operator"]]]],
    ])

  fileprivate static let issuedKey = Schema.object(
    "IssuedKey", "A key that was made.",
    [
      Field("id", .keyID, "Its public part."),
      Field(
        "key", .text(pattern: "^lk_", example: "lk_k4q7w2m5x3ap_…"), "The key itself; shown once."),
      Field("name", .text(), "What it is for.", example: "warehouse"),
    ])

  fileprivate static let serviceKey = Schema.object(
    "ServiceKey", "A key and its grant.",
    [
      Field("id", .keyID, "Its public part."),
      Field("name", .text(), "What it is for.", example: "warehouse"),
      Field("app", .appName.orNull, "The app whose stores it is for; null for all."),
      Field("stores", .list(of: .text()), "`[\"*\"]`, hashes and labels.", example: ["demo1234"]),
      Field("scopes", .list(of: .scopeName), "`[\"*\"]` or scopes."),
      Field("methods", .list(of: .text()), "`[\"*\"]` or methods.", example: ["*"]),
      Field("paths", .list(of: .text()), "`[\"*\"]` or path patterns.", example: ["*"]),
      Field("abilities", .list(of: .word(Ability.self)), "What else it may do."),
      Field("rate", .integer(CallRate.allowed).orNull, "Calls per minute.", example: .null),
      Field("created_at", .time, "When it was made."),
      Field(
        "created_by", .text(), "Who made it: a key's ID, or a fixed word.", example: "bootstrap"),
      Field("expires_at", .time.orNull, "When it ends.", example: .null),
      Field("overlap_ends_at", .time.orNull, "When it ends after a rotation.", example: .null),
      Field("revoked_at", .time.orNull, "When it was revoked.", example: .null),
      Field("last_used_at", .time.orNull, "When it was last used, about."),
      Field("rotated_from", .keyID.orNull, "The key that it took the place of.", example: .null),
    ])
}
