import Base
import Postgres
import Vault

extension SealedColumn {
  /// Answers to keyed writes; a page is small, because an answer may have a mebibyte.
  static let keptAnswers = SealedColumn(
    counts: """
      SELECT answer_key_id AS key_id, count(*) AS count FROM keyed_writes
      WHERE answer_key_id IS NOT NULL GROUP BY answer_key_id
      """,
    remaining: "SELECT count(*) AS remaining FROM keyed_writes WHERE answer_key_id <> $1",
    page: """
      SELECT app_id, store_hash, caller, key_sha256, claim, answer_key_id AS key_id, sealed_answer AS sealed
      FROM keyed_writes WHERE answer_key_id <> $1
      LIMIT least($2, 10)
      """,
    sample: """
      SELECT app_id, store_hash, caller, key_sha256, claim, answer_key_id AS key_id, sealed_answer AS sealed
      FROM keyed_writes WHERE answer_key_id = $1 LIMIT 1
      """,
    replace: """
      WITH wanted AS (
        SELECT app_id, store_hash, caller, decode(key_sha256, 'base64') AS key_sha256, claim, old_key_id, key_id,
          sealed
        FROM jsonb_to_recordset($1) AS row (app_id text, store_hash text, caller text, key_sha256 text,
          claim text, old_key_id text, key_id text, sealed text)
      ), locked AS MATERIALIZED (
        SELECT known.app_id, known.store_hash, known.caller, known.key_sha256, wanted.key_id, wanted.sealed
        FROM keyed_writes known JOIN wanted USING (app_id, store_hash, caller, key_sha256, claim)
        WHERE known.answer_key_id = wanted.old_key_id
        FOR UPDATE OF known SKIP LOCKED
      )
      UPDATE keyed_writes known
      SET sealed_answer = decode(locked.sealed, 'base64'), answer_key_id = locked.key_id
      FROM locked
      WHERE (known.app_id, known.store_hash, known.caller, known.key_sha256)
        = (locked.app_id, locked.store_hash, locked.caller, locked.key_sha256)
      """
  ) { row throws(PostgresError) in
    let installation = try row.installation()
    let caller = try row.decode("caller", as: String.self)
    let bytes = try row.decode("key_sha256", as: [UInt8].self)
    guard let digest = KeyDigest(bytes: bytes) else {
      throw .decoding(column: "key_sha256", expected: "32 bytes")
    }
    return Value(
      owner: .installation(installation), keyID: try row.decode("key_id"),
      sealed: try row.decode("sealed"),
      place: KeyedWriteID(installation: installation, caller: caller, digest: digest).place,
      identity: installation.members + [
        .init("caller", .string(caller)), .init("key_sha256", .string(Base64.encode(bytes))),
        .init("claim", .string(try row.decode("claim"))),
      ])
  }
}
