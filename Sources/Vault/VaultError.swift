/// Why something cannot be sealed or opened.
package enum VaultError: Error, Hashable, Sendable {
  /// No key of that ID is loaded.
  case unknownKey(KeyID)
  /// The envelope is of a version that this program does not know.
  case unknownVersion
  /// Not an envelope, or altered, or sealed for another purpose, app, store or generation, or with
  /// another key of the same ID: these cannot be told apart.
  case damaged
  /// The cipher refused; it has no reason to.
  case sealingFailed

  /// A fixed word for logs.
  package var reason: String {
    switch self {
    case .unknownKey: "unknown_key"
    case .unknownVersion: "unknown_version"
    case .damaged: "damaged"
    case .sealingFailed: "sealing_failed"
    }
  }
}
