package import Base
import Postgres
import Vault

/// Whose a sealed value is.
package enum SealedOwner: Hashable, Sendable {
  case installation(InstallationID)
  /// By its ID.
  case subscription(String)
}

/// A column of the database whose values a key of the keyring seals.
///
/// Rewrapping, counting and checking go through all of them alike; a new one is added to ``all``.
struct SealedColumn: Sendable {
  /// A sealed value and what tells its row from all others.
  struct Value: Sendable {
    let owner: SealedOwner
    let keyID: String
    let sealed: [UInt8]
    let place: SealedPlace
    /// The row's key, and what must still be the same when it is replaced.
    let identity: [JSONValue.Member]
  }

  /// Rows by key: `key_id`, `count`.
  let counts: StaticString
  /// How many a key other than `$1` seals, as `remaining`.
  let remaining: StaticString
  /// At most `$2` rows that a key other than `$1` seals.
  let page: StaticString
  /// One row that the key `$1` seals.
  let sample: StaticString
  /// Puts fresh values into the rows of `$1`, if they are as they were, leaving out locked ones.
  let replace: StaticString
  let read: @Sendable (Row) throws(PostgresError) -> Value

  static let all = [accessTokens, webhookSecrets, subscriptionSecrets, keptAnswers]

  static let accessTokens = SealedColumn(
    counts: """
      SELECT token_key_id AS key_id, count(*) AS count FROM installations
      WHERE token_key_id IS NOT NULL GROUP BY token_key_id
      """,
    remaining: "SELECT count(*) AS remaining FROM installations WHERE token_key_id <> $1",
    page: """
      SELECT app_id, store_hash, generation, token_key_id AS key_id, sealed_token AS sealed FROM installations
      WHERE token_key_id <> $1
      ORDER BY token_key_id, app_id, store_hash LIMIT $2
      """,
    sample: """
      SELECT app_id, store_hash, generation, token_key_id AS key_id, sealed_token AS sealed FROM installations
      WHERE token_key_id = $1 LIMIT 1
      """,
    replace: """
      WITH wanted AS (
        SELECT * FROM jsonb_to_recordset($1) AS row (app_id text, store_hash text,
          generation bigint, old_key_id text, key_id text, sealed text)
      ), locked AS MATERIALIZED (
        SELECT known.app_id, known.store_hash, wanted.key_id, wanted.sealed
        FROM installations known JOIN wanted ON known.app_id = wanted.app_id
          AND known.store_hash = wanted.store_hash
          AND known.generation = wanted.generation AND known.token_key_id = wanted.old_key_id
        FOR UPDATE OF known SKIP LOCKED
      )
      UPDATE installations known
      SET sealed_token = decode(locked.sealed, 'base64'), token_key_id = locked.key_id
      FROM locked
      WHERE known.app_id = locked.app_id AND known.store_hash = locked.store_hash
      """
  ) { row throws(PostgresError) in
    let installation = try row.installation()
    let generation = Generation(try row.decode("generation"))
    return Value(
      owner: .installation(installation), keyID: try row.decode("key_id"),
      sealed: try row.decode("sealed"),
      place: SealedPlace(.accessToken, of: installation, generation: generation),
      identity: installation.members + [.init("generation", .integer(generation.number))])
  }

  static let webhookSecrets = SealedColumn(
    counts: """
      SELECT secret_key_id AS key_id, count(*) AS count FROM webhook_addresses GROUP BY secret_key_id
      """,
    remaining: "SELECT count(*) AS remaining FROM webhook_addresses WHERE secret_key_id <> $1",
    page: """
      SELECT app_id, store_hash, path_token, secret_key_id AS key_id, sealed_secret AS sealed
      FROM webhook_addresses WHERE secret_key_id <> $1
      ORDER BY secret_key_id, app_id, store_hash, path_token LIMIT $2
      """,
    sample: """
      SELECT app_id, store_hash, path_token, secret_key_id AS key_id, sealed_secret AS sealed
      FROM webhook_addresses WHERE secret_key_id = $1 LIMIT 1
      """,
    replace: """
      WITH wanted AS (
        SELECT * FROM jsonb_to_recordset($1) AS row (app_id text, store_hash text,
          path_token text, old_key_id text, key_id text, sealed text)
      ), locked AS MATERIALIZED (
        SELECT known.app_id, known.store_hash, known.path_token, wanted.key_id, wanted.sealed
        FROM webhook_addresses known JOIN wanted ON known.app_id = wanted.app_id
          AND known.store_hash = wanted.store_hash
          AND known.path_token = wanted.path_token AND known.secret_key_id = wanted.old_key_id
        FOR UPDATE OF known SKIP LOCKED
      )
      UPDATE webhook_addresses known
      SET sealed_secret = decode(locked.sealed, 'base64'), secret_key_id = locked.key_id
      FROM locked
      WHERE known.app_id = locked.app_id AND known.store_hash = locked.store_hash
        AND known.path_token = locked.path_token
      """
  ) { row throws(PostgresError) in
    let installation = try row.installation()
    return Value(
      owner: .installation(installation), keyID: try row.decode("key_id"),
      sealed: try row.decode("sealed"), place: SealedPlace(.webhookSecret, of: installation),
      identity: installation.members
        + [.init("path_token", .string(try row.decode("path_token")))])
  }

  static let subscriptionSecrets = SealedColumn(
    counts: """
      SELECT secret_key_id AS key_id, count(*) AS count FROM subscription_secrets GROUP BY secret_key_id
      """,
    remaining: "SELECT count(*) AS remaining FROM subscription_secrets WHERE secret_key_id <> $1",
    page: """
      SELECT subscription_id, app_id, secret_number, secret_key_id AS key_id, sealed_secret AS sealed
      FROM subscription_secrets JOIN subscriptions USING (subscription_id) WHERE secret_key_id <> $1
      ORDER BY secret_key_id, subscription_id, secret_number LIMIT $2
      """,
    sample: """
      SELECT subscription_id, app_id, secret_number, secret_key_id AS key_id, sealed_secret AS sealed
      FROM subscription_secrets JOIN subscriptions USING (subscription_id) WHERE secret_key_id = $1 LIMIT 1
      """,
    replace: """
      WITH wanted AS (
        SELECT * FROM jsonb_to_recordset($1) AS row (subscription_id text, secret_number bigint,
          old_key_id text, key_id text, sealed text)
      ), locked AS MATERIALIZED (
        SELECT known.subscription_id, known.secret_number, wanted.key_id, wanted.sealed
        FROM subscription_secrets known JOIN wanted ON known.subscription_id = wanted.subscription_id
          AND known.secret_number = wanted.secret_number AND known.secret_key_id = wanted.old_key_id
        FOR UPDATE OF known SKIP LOCKED
      )
      UPDATE subscription_secrets known
      SET sealed_secret = decode(locked.sealed, 'base64'), secret_key_id = locked.key_id
      FROM locked
      WHERE known.subscription_id = locked.subscription_id AND known.secret_number = locked.secret_number
      """
  ) { row throws(PostgresError) in
    let subscription = try row.decode("subscription_id", as: String.self)
    let number = try row.decode("secret_number", as: Int64.self)
    let app = try row.decode("app_id", as: String?.self).flatMap { AppName($0) }
    return Value(
      owner: .subscription(subscription), keyID: try row.decode("key_id"),
      sealed: try row.decode("sealed"),
      place: .subscriptionSecret(app: app, number: number),
      identity: [
        .init("subscription_id", .string(subscription)), .init("secret_number", .integer(number)),
      ])
  }
}

extension InstallationID {
  /// Its columns, by name.
  var members: [JSONValue.Member] {
    [.init("app_id", .string(app.text)), .init("store_hash", .string(store.text))]
  }
}
