package import Base
package import BigCommerce
import Postgres
import Vault

/// A secret that is about to be stored.
struct NewSubscriptionSecret {
  let number: Int64
  let text: Secret<String>
  let sealed: Sealed

  /// Stores it; those before it end after the overlap.
  func insertion(of id: String, overlap: Duration?) -> Statement {
    Statement(
      """
      WITH ending AS (
        UPDATE subscription_secrets
        SET ends_at = least(ends_at, now() + $5 * interval '1 microsecond')
        WHERE subscription_id = $1
      ), ended AS (
        DELETE FROM subscription_secrets WHERE subscription_id = $1 AND ends_at < now()
      )
      INSERT INTO subscription_secrets (subscription_id, secret_number, sealed_secret, secret_key_id)
      VALUES ($1, $2, $3, $4)
      """,
      [id, number, sealed.bytes, sealed.keyID.text, (overlap ?? .zero).inMicroseconds])
  }
}

extension SealedPlace {
  /// Of a subscription's secret; its number is unlike all others', so its row is its only place.
  static func subscriptionSecret(app: AppName?, number: Int64) -> SealedPlace {
    SealedPlace(.subscriptionSecret, app: app, generation: Generation(number))
  }
}

extension Subscriptions {
  /// How long an old secret signs beside its successor unless said otherwise.
  package static let usualOverlap = Duration.seconds(86_400)
  package static let longestOverlap = Duration.seconds(7 * 86_400)

  /// Gives a subscription a further secret, with which it is signed from now on; those it had sign
  /// beside it for `overlap`.
  ///
  /// - Returns: the secret, which is shown once.
  package func rotate(
    _ record: SubscriptionRecord, overlap: Duration, by act: Act
  ) async throws(SubscriptionError) -> Secret<String> {
    let live = try await run { () throws(PostgresError) in
      try await database.query(
        Statement(
          """
          SELECT count(*) AS live FROM subscription_secrets
          WHERE subscription_id = $1 AND coalesce(ends_at > now(), true)
          """, [record.id])
      )
      .rows.first?.decode("live", as: Int.self) ?? 0
    }
    guard live < Subscriptions.mostSecrets else { throw .tooManySecrets }
    let secret = try await newSecret(record.filter.app)
    do throws(PostgresError) {
      _ = try await database.transaction([
        secret.insertion(of: record.id, overlap: overlap),
        Subscriptions.audit(
          act, "subscription_rotate", record.filter.app,
          ["subscription_id": .string(record.id)]),
      ])
    } catch .foreignKeyViolation {
      throw .unknown
    } catch {
      throw .database(error)
    }
    return secret.text
  }

  /// The keys that sign for a subscription now, the newest first.
  package func keys(
    of record: SubscriptionRecord
  ) async throws(SubscriptionError) -> [WebhookKey] {
    let result = try await run { () throws(PostgresError) in
      try await database.query(
        Statement(
          """
          SELECT secret_number, sealed_secret FROM subscription_secrets
          WHERE subscription_id = $1 AND coalesce(ends_at > now(), true) ORDER BY secret_number DESC
          """, [record.id]))
    }
    var keys: [WebhookKey] = []
    for row in result.rows {
      let (number, bytes): (Int64, [UInt8]) = try await run { () throws(PostgresError) in
        (try row.decode("secret_number"), try row.decode("sealed_secret"))
      }
      keys.append(try open(bytes, number: number, app: record.filter.app))
    }
    return keys
  }

  /// The key in a sealed secret of that number.
  package func open(
    _ bytes: [UInt8], number: Int64, app: AppName?
  ) throws(SubscriptionError) -> WebhookKey {
    do throws(VaultError) {
      return WebhookKey(
        bytes: try keyring.open(
          Sealed(bytes: bytes), for: .subscriptionSecret(app: app, number: number)))
    } catch {
      throw .vault(error)
    }
  }

  /// 32 random bytes, sealed for a row of their own.
  func newSecret(_ app: AppName?) async throws(SubscriptionError) -> NewSubscriptionSecret {
    let number = try await run { () throws(PostgresError) in
      try await database.query(Statement("SELECT nextval('subscription_secret_numbers') AS number"))
        .rows.first?.decode("number", as: Int64.self) ?? 0
    }
    let bytes = Secret(random.bytes(32))
    do throws(VaultError) {
      return NewSubscriptionSecret(
        number: number, text: WebhookKey(bytes: bytes).subscriptionSecret,
        sealed: try keyring.seal(
          bytes, for: .subscriptionSecret(app: app, number: number)))
    } catch {
      throw .vault(error)
    }
  }
}
