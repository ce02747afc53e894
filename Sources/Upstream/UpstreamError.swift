import Curl

/// Why a call to a store brought no answer, in the words that a caller can act on.
package enum UpstreamError: Error, Hashable {
  /// Something in the request may not be sent; nothing was.
  case notSendable
  /// BigCommerce could not be reached. `sent`: whether an earlier attempt may have been carried
  /// out; else nothing was sent.
  case unreachable(sent: Bool)
  /// The connection broke, or what came is no answer. The call may have been carried out.
  case broken
  /// No answer in time. `sent`: whether the call may have been carried out.
  case timeout(sent: Bool)
  /// The caller's own body failed.
  case bodyFailed
  /// The caller went away.
  case cancelled
  /// This replica is shutting down. `sent`: whether the call may have been carried out.
  case draining(sent: Bool)
  /// The store's quota has no place for the call in time; nothing was sent.
  case quota(QuotaRefusal)
  /// So many calls in a row have failed that no more are sent for a while; nothing was sent.
  case brokenStore(BreakerRefusal)

  init(_ error: CurlError) {
    self =
      switch error {
      case .invalidRequest: .notSendable
      case .resolveFailed, .addressRefused, .connectFailed, .connectTimeout, .tlsFailed,
        .tlsTimeout, .unusableLibrary:
        .unreachable(sent: false)
      case .firstByteTimeout, .stalled, .totalTimeout: .timeout(sent: error.wasSent)
      case .sendFailed, .broken, .tooLarge, .failed: .broken
      case .uploadFailed: .bodyFailed
      case .cancelled: .cancelled
      case .shutDown(let sent): .draining(sent: sent)
      }
  }

  /// Whether bytes of the call may have left; `false` means that certainly none did.
  package var mayHaveBeenSent: Bool {
    switch self {
    case .notSendable, .quota, .brokenStore: false
    case .unreachable(let sent), .timeout(let sent), .draining(let sent): sent
    case .broken, .bodyFailed, .cancelled: true
    }
  }

  /// The same of a call of which an earlier attempt may have been carried out.
  var afterOneThatMayHaveHappened: UpstreamError {
    switch self {
    case .unreachable: .unreachable(sent: true)
    case .timeout: .timeout(sent: true)
    case .draining: .draining(sent: true)
    default: self
    }
  }
}
