import NIOHTTP1

/// Why an attempt was no success.
enum AttemptFailure: String, Sendable {
  /// No connection could be made.
  case connect
  case tls
  /// No answer within the time for an attempt.
  case timeout
  /// The connection ended before an answer.
  case closed
  /// What came was no HTTP answer.
  case malformed
  /// Any status but 2xx.
  case status
  /// More or longer response headers than the platform reads.
  case headers
  /// The destination is on the blocklist; nothing was sent.
  case blocked
  /// A fault pretends that nobody is there; nothing was sent.
  case dead
}

/// What came of one attempt.
struct AttemptOutcome: Sendable {
  let status: Int?
  let failure: AttemptFailure?

  init(_ failure: AttemptFailure) {
    status = nil
    self.failure = failure
  }

  /// Judges an answer by its head: 2xx with headers within the platform's limits.
  init(_ head: HTTPResponseHead) {
    status = Int(head.status.code)
    if !(200...299).contains(head.status.code) {
      failure = .status
    } else {
      failure = AttemptOutcome.isReadable(head.headers) ? nil : .headers
    }
  }

  var isSuccess: Bool { failure == nil }

  /// `204`, `503` or `timeout`.
  var text: String {
    guard let failure, failure != .status else { return status.map { "\($0)" } ?? "" }
    return failure.rawValue
  }

  /// Names of at most 64 bytes, values of at most 8 KiB, at most 64 of them.
  private static func isReadable(_ headers: HTTPHeaders) -> Bool {
    headers.count <= 64
      && headers.allSatisfy { $0.name.utf8.count <= 64 && $0.value.utf8.count <= 8192 }
  }
}
