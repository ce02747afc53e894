package import Base
import Postgres
package import Vault

/// Names a write by what its repetitions have in common: the store, the caller and the
/// `Idempotency-Key`.
package struct KeyedWriteID: Hashable, Sendable {
  package let installation: InstallationID
  /// The ID of the caller's first service key; those that took its place are the same caller.
  package let caller: String
  /// The SHA-256 of the `Idempotency-Key`.
  package let digest: KeyDigest

  package init(installation: InstallationID, caller: String, digest: KeyDigest) {
    self.installation = installation
    self.caller = caller
    self.digest = digest
  }

  /// Where its answer is sealed for: it opens for no other store, caller or key.
  var place: SealedPlace {
    SealedPlace(.keptAnswer, of: installation, row: [caller, Hex.encode(digest.bytes)])
  }

  /// The values of the table's key.
  var columns: [any PostgresBindable] {
    [installation.app.text, installation.store.text, caller, digest.bytes]
  }
}

/// One request with an `Idempotency-Key`: the first, or a repetition.
package struct KeyedWrite: Hashable, Sendable {
  package let id: KeyedWriteID
  package let fingerprint: RequestFingerprint
  /// Random; tells this request from all others with the same key.
  package let claim: String
  package let requestID: RequestID

  package init(
    id: KeyedWriteID, fingerprint: RequestFingerprint, claim: String, requestID: RequestID
  ) {
    self.id = id
    self.fingerprint = fingerprint
    self.claim = claim
    self.requestID = requestID
  }
}

/// What is on record under an `Idempotency-Key`.
package struct KeyedWriteRecord: Hashable, Sendable {
  /// What there is of the answer.
  package enum Answer: Hashable, Sendable {
    case kept(KeptAnswer)
    /// It was too large, or was erased with the store's data.
    case notKept
    /// It does not open: its key is not loaded, or the row was altered.
    case unreadable(reason: String)
  }

  package enum State: Hashable, Sendable {
    /// It may be sent at this moment.
    case inFlight
    /// BigCommerce answered, and no repetition may be sent.
    case done(status: Int, Answer)
    /// Nobody knows whether it was carried out, and no repetition may be sent; `status` is
    /// BigCommerce's, if it answered.
    case unknown(cause: String, status: Int?)
  }

  package let fingerprint: RequestFingerprint
  package let claim: String
  package let state: State
  /// Of the request that may send it, or has.
  package let requestID: String

  package init(
    fingerprint: RequestFingerprint, claim: String, state: State, requestID: String
  ) {
    self.fingerprint = fingerprint
    self.claim = claim
    self.state = state
    self.requestID = requestID
  }
}

/// Why nobody knows what became of a write; the words of the column `cause`.
package enum KeyedWriteCause: String, CaseIterable, Sendable {
  /// The replica died, or could not say that it lives.
  case interrupted
  /// BigCommerce answered with a 5xx.
  case upstreamError = "upstream_error"
  case upstreamBroken = "upstream_broken"
  case upstreamTimeout = "upstream_timeout"
  /// The replica was told to stop before the answer came.
  case draining
  /// The store was uninstalled before the answer came.
  case uninstalled
}
