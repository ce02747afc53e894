import Storage
import Upstream

/// What a request with an `Idempotency-Key` has to do, by what is on record under its key.
enum KeyedWriteStanding: Hashable, Sendable {
  /// It is the first, and it alone may send the write.
  case first
  case replay(KeptAnswer)
  /// The write was answered with that status; the answer is not kept, or does not open.
  case notKept(status: Int)
  case inFlight
  case unknown(cause: String, status: Int?)
  /// The key stands for another request.
  case conflict

  init(_ record: KeyedWriteRecord, for write: KeyedWrite) {
    guard record.fingerprint == write.fingerprint else {
      self = .conflict
      return
    }
    switch record.state {
    case .inFlight: self = record.claim == write.claim ? .first : .inFlight
    case .done(_, .kept(let answer)): self = .replay(answer)
    case .done(let status, .notKept), .done(let status, .unreadable):
      self = .notKept(status: status)
    case .unknown(let cause, let status): self = .unknown(cause: cause, status: status)
    }
  }
}

/// What is put on record when a write's first request has ended.
enum KeyedWriteEnd: Hashable, Sendable {
  /// BigCommerce's answer counts from now on.
  case answered(status: Int)
  /// The write was certainly not carried out, and may be tried again with the same key.
  case free
  /// Nobody knows.
  case unknown(KeyedWriteCause, status: Int?)

  /// By the status of BigCommerce's answer.
  ///
  /// 401, 429 and 509 refuse before anything is done. A 5xx may come from a server in front of the
  /// one that is still busy with the write.
  init(status: Int) {
    switch status {
    case 401, 429, 509: self = .free
    case 500...: self = .unknown(.upstreamError, status: status)
    default: self = .answered(status: status)
    }
  }

  /// By why there is no answer.
  init(_ error: UpstreamError) {
    guard error.mayHaveBeenSent else {
      self = .free
      return
    }
    switch error {
    case .timeout: self = .unknown(.upstreamTimeout, status: nil)
    case .draining: self = .unknown(.draining, status: nil)
    case .notSendable, .unreachable, .broken, .bodyFailed, .cancelled, .quota, .brokenStore:
      self = .unknown(.upstreamBroken, status: nil)
    }
  }
}
