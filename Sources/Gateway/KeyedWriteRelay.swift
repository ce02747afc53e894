import Base
import Curl
import Fields
import Logging
import NIOCore
import Postgres
import Storage
import Upstream
import Vault

/// Carries out writes that have an `Idempotency-Key`: each is sent once at most, and its answer is
/// given as often as it is asked for.
///
/// The order is what keeps that promise: the write is on record before it is sent, and its answer
/// before it is given.
struct KeyedWriteRelay: Sendable {
  /// What a request came to.
  enum Outcome: Sendable {
    /// BigCommerce's answer, which has just come.
    case answered(status: Int, FieldSection, Body)
    case replayed(KeptAnswer)
    case refused(Problem, Idempotency)
  }

  enum Body: Sendable {
    case whole(ByteBuffer)
    /// It was not collected, or only its beginning.
    case streaming(beginning: ByteBuffer, CurlResponseBody)
  }

  /// How long the record of a beginning or an end may take.
  private static let patience = Duration.seconds(3)
  /// How long an answer's body may take, so that nobody can keep a write in flight for ever.
  private static let longestBody = Duration.seconds(60)

  let ledger: KeyedWrites
  let meter: KeyedWriteMeter
  let clock: MonotonicClock
  let logger: Logger

  /// Sends the write if its key is free, and answers from the record if it is not.
  ///
  /// It must not be cancelled: what happens to a write has to be recorded though its caller has left.
  func relay(
    _ write: KeyedWrite,
    _ send: @escaping @Sendable () async -> Result<CurlResponse, UpstreamError>
  ) async -> Outcome {
    FailPoint.reach("keyed_write.before_begin")
    let standing = await begin(write)
    meter.count(standing.word)
    switch standing {
    case .first:
      FailPoint.reach("keyed_write.after_begin")
      return await carryOut(write, send)
    case .known(let answer): return .replayed(answer)
    case .refused(let problem, let word): return .refused(problem, word)
    }
  }

  // MARK: Before it is sent

  private enum Beginning {
    case first
    case known(KeptAnswer)
    case refused(Problem, Idempotency)

    var word: Idempotency {
      switch self {
      case .first: .first
      case .known: .replayed
      case .refused(_, let word): word
      }
    }
  }

  private func begin(_ write: KeyedWrite) async -> Beginning {
    let ledger = ledger
    // Repeated by its claim: after a COMMIT that nobody heard of, the next one finds its own row.
    let found = await Deadline.settle(within: Self.patience, each: Self.patience) {
      () throws(PostgresError) in try await ledger.begin(write)
    }
    switch found {
    case .success(let record?): return beginning(write, record)
    case .success(nil): return .refused(.idempotencyFull, .full)
    case .failure(let error):
      logger.warning(
        "a write with an Idempotency-Key is refused: it could not be recorded",
        metadata: metadata(write, ["error": "\(error)"]))
      if error == .unknownOutcome { freeLater(write) }
      return .refused(.idempotencyUnavailable, .unavailable)
    }
  }

  private func beginning(_ write: KeyedWrite, _ record: KeyedWriteRecord) -> Beginning {
    if case .done(_, .unreadable(let reason)) = record.state {
      logger.error(
        "a kept answer cannot be opened", metadata: metadata(write, ["reason": "\(reason)"]))
    }
    let first = record.requestID
    switch KeyedWriteStanding(record, for: write) {
    case .first: return .first
    case .replay(let answer): return .known(answer)
    case .notKept(let status):
      return .refused(.idempotencyNotKept(status: status, first: first), .notKept)
    case .inFlight: return .refused(.idempotencyInFlight(first: first), .inFlight)
    case .unknown(let cause, let status):
      return .refused(.idempotencyUnknown(cause: cause, status: status, first: first), .unknown)
    case .conflict: return .refused(.idempotencyConflict, .conflict)
    }
  }

  // MARK: While it is under way

  private func carryOut(
    _ write: KeyedWrite, _ send: @Sendable () async -> Result<CurlResponse, UpstreamError>
  ) async -> Outcome {
    // Ends with this function.
    async let _: Void = renew(write)
    switch await send() {
    case .success(let response):
      FailPoint.reach("keyed_write.after_head")
      let outcome = await finish(write, response)
      FailPoint.reach("keyed_write.after_record")
      return outcome
    case .failure(let error):
      await record(KeyedWriteEnd(error), of: write)
      return .refused(Problem(error), .first)
    }
  }

  private func renew(_ write: KeyedWrite) async {
    while true {
      do throws(CancellationError) {
        try await clock.sleep(for: KeyedWrites.lease / 3)
      } catch {
        return
      }
      do throws(PostgresError) {
        try await ledger.renew(write)
      } catch {
        // The next try may still be in time; if none is, repetitions are told that nobody knows.
        logger.info("a lease is not renewed", metadata: metadata(write, ["error": "\(error)"]))
      }
    }
  }

  // MARK: When it is answered

  private func finish(_ write: KeyedWrite, _ response: CurlResponse) async -> Outcome {
    let headers = HeaderRules.passedToCaller(response.headers)
    let end = KeyedWriteEnd(status: response.status)
    guard case .answered = end else {
      await record(end, of: write)
      return .answered(
        status: response.status, headers, .streaming(beginning: ByteBuffer(), response.body))
    }
    switch await collect(response.body) {
    case .whole(let body):
      await keep(write, status: response.status, headers, body)
      return .answered(status: response.status, headers, .whole(body))
    case .tooLarge(let beginning):
      await record(end, of: write, as: .notKept)
      return .answered(
        status: response.status, headers, .streaming(beginning: beginning, response.body))
    case .broken:
      await record(.unknown(.upstreamBroken, status: response.status), of: write)
      return .refused(.upstreamBroken, .first)
    }
  }

  private enum Collected {
    case whole(ByteBuffer)
    case tooLarge(beginning: ByteBuffer)
    case broken
  }

  /// The body, as far as it may be kept.
  private func collect(_ body: CurlResponseBody) async -> Collected {
    let limit = KeyedWrites.largestAnswer.bytes
    if let complete = body.complete {
      return complete.readableBytes > limit ? .tooLarge(beginning: ByteBuffer()) : .whole(complete)
    }
    if let length = body.knownLength, length > limit { return .tooLarge(beginning: ByteBuffer()) }
    let end = clock.now() + Self.longestBody
    var whole = ByteBuffer()
    var parts = body.makeAsyncIterator()
    do throws(CurlError) {
      while let part = try await parts.next() {
        whole.writeImmutableBuffer(part)
        if whole.readableBytes > limit { return .tooLarge(beginning: whole) }
        // Each part comes within the transfer's own patience.
        guard clock.now() < end else { return .broken }
      }
    } catch {
      return .broken
    }
    return .whole(whole)
  }

  // MARK: The record

  private func keep(
    _ write: KeyedWrite, status: Int, _ headers: FieldSection, _ body: ByteBuffer
  ) async {
    let answer = KeptAnswer(
      status: status,
      fields: headers.pairs.map { KeptAnswer.Field(name: $0.name, value: $0.value) },
      body: Array(body.readableBytesView))
    let sealed: Sealed
    do throws(VaultError) {
      sealed = try ledger.seal(answer, for: write)
    } catch {
      logger.error(
        "an answer cannot be sealed, and is not kept",
        metadata: metadata(write, ["reason": "\(error.reason)"]))
      return await record(.answered(status: status), of: write, as: .notKept)
    }
    let ledger = ledger
    await record(write, as: .answered) { () throws(PostgresError) in
      try await ledger.end(write, status: status, sealed)
    }
  }

  /// Records an end that has no answer to keep.
  private func record(
    _ end: KeyedWriteEnd, of write: KeyedWrite, as word: KeyedWriteMeter.Ended = .answered
  ) async {
    let ledger = ledger
    switch end {
    case .answered(let status):
      await record(write, as: word) { () throws(PostgresError) in
        try await ledger.end(write, status: status, nil)
      }
    case .free: await free(write)
    case .unknown(let cause, let status):
      await record(write, as: .unknown) { () throws(PostgresError) in
        try await ledger.lose(write, because: cause, status: status)
      }
    }
  }

  private func free(_ write: KeyedWrite) async {
    let ledger = ledger
    await record(write, as: .free) { () throws(PostgresError) in
      _ = try await ledger.free(write)
    }
  }

  /// A write that was not sent, because nobody knows whether it is on record, is taken off it when
  /// the database is back; else its repetitions would be told of a doubt that is none.
  private func freeLater(_ write: KeyedWrite) {
    // Not structured: the caller is told at once. If it is lost, a needless doubt is all that is.
    Task {
      for _ in 0..<20 {
        do {
          try await clock.sleep(for: .seconds(1))
          if try await ledger.free(write) { return }
        } catch {
          logger.debug(
            "a key is not free yet", metadata: metadata(write, ["error": "\(error)"]))
        }
      }
    }
  }

  /// What cannot be recorded is answered all the same: the write has happened, and to hide that
  /// helps nobody.
  ///
  /// The row stays in flight until its lease has passed, then it is unknown.
  private func record(
    _ write: KeyedWrite, as word: KeyedWriteMeter.Ended,
    _ act: @escaping @Sendable () async throws(PostgresError) -> Void
  ) async {
    switch await Deadline.settle(within: Self.patience, each: Self.patience, act) {
    case .success: meter.count(word)
    case .failure(let error):
      meter.count(.unrecorded)
      logger.error(
        "the end of a write with an Idempotency-Key is not recorded",
        metadata: metadata(write, ["error": "\(error)", "end": "\(word.rawValue)"]))
    }
  }

  private func metadata(_ write: KeyedWrite, _ more: Logger.Metadata) -> Logger.Metadata {
    RequestSubject(
      app: write.id.installation.app, store: write.id.installation.store, caller: write.id.caller
    ).metadata(more.merging(["request_id": "\(write.requestID)"]) { old, _ in old })
  }
}
