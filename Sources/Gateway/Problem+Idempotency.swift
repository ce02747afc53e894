import Base
import Storage

extension Problem {
  static let bodyNotReplayable = Problem(
    status: 400, code: "body_not_replayable", title: "The body cannot be read before it is sent",
    detail: """
      A write with Idempotency-Key has a body of known length (Content-Length) and at most \
      \(IdempotencyKey.largestBody). Nothing was sent. Make the body smaller, or send it without the key and look \
      at the store before you repeat it.
      """,
    fields: [
      .init("limit_bytes", .integer(IdempotencyKey.largestBody.bytes)), .outcome(sent: false),
    ])

  static let idempotencyUnavailable = Problem(
    status: 503, code: "database_unavailable", title: "The write cannot be recorded",
    detail: """
      A write with Idempotency-Key is recorded in the database before it is sent, and that is not possible now. \
      Nothing was sent. Repeat it with the same key.
      """, fields: [.outcome(sent: false)], retryAfter: 2)

  static let idempotencyConflict = Problem(
    status: 409, code: "idempotency_conflict", title: "The key stands for another request",
    detail: """
      The same Idempotency-Key came with another method, target, content type or body within the last 24 hours. \
      This request was not sent. Give it a key of its own.
      """, fields: [.outcome(sent: false)])

  static func idempotencyInFlight(first request: String) -> Problem {
    Problem(
      status: 409, code: "idempotency_in_flight", title: "The same write is under way",
      detail: """
        An earlier request with this Idempotency-Key has no answer yet. This one was not sent. Repeat it after \
        Retry-After to get the answer.
        """, fields: [.init("first_request_id", .string(request))], retryAfter: 1)
  }

  /// Nobody knows whether the write was carried out; it is never sent again under its key.
  static func idempotencyUnknown(cause: String, status: Int?, first request: String) -> Problem {
    Problem(
      status: 409, code: "idempotency_unknown", title: "Nobody knows whether the write happened",
      detail: """
        An earlier request with this Idempotency-Key was sent and its outcome is not known. It is not sent again under \
        this key. Look at the store: if the write is missing, send it with a new key.
        """,
      fields: [
        .outcome(sent: true), .init("cause", .string(cause)),
        .init("upstream_status", status.map { .integer($0) } ?? .null),
        .init("first_request_id", .string(request)),
      ])
  }

  /// The write was answered, and its answer cannot be given again.
  static func idempotencyNotKept(status: Int, first request: String) -> Problem {
    Problem(
      status: 409, code: "idempotency_not_kept", title: "The write was answered before",
      detail: """
        BigCommerce answered an earlier request with this Idempotency-Key with the status in upstream_status. The \
        answer itself is not kept, because it had more than \(KeyedWrites.largestAnswer), its store was uninstalled \
        meanwhile, or it cannot be opened. Nothing was sent again. Read the outcome from the store.
        """,
      fields: [
        .init("outcome", "done"), .init("upstream_status", .integer(status)),
        .init("first_request_id", .string(request)),
      ])
  }

  static let idempotencyFull = Problem(
    status: 429, code: "idempotency_full", title: "Too many keys are known",
    detail: """
      The last 24 hours' Idempotency-Keys of this caller for this store, or the answers that are kept under them, are \
      as many as may be. Nothing was sent. Wait until some have expired, or send writes without a key that need none.
      """, fields: [.outcome(sent: false)], retryAfter: 600)
}
