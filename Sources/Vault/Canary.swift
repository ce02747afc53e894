import Base

/// A constant sealed once with each key, kept in the database.
///
/// It tells a wrong key under the right ID before anything is opened, or worse, sealed with it.
package enum Canary {
  private static let constant = Array("latchkey canary: this key is the one it was".utf8)

  /// The constant, sealed with that key of the ring.
  package static func make(_ id: KeyID, with keyring: Keyring) throws(VaultError) -> Sealed {
    try keyring.seal(Secret(constant), for: SealedPlace(.canary), with: id)
  }

  /// Whether the ring's key of that ID is the one that sealed the canary.
  /// - Throws: ``VaultError/unknownKey(_:)`` when the ring has no such key, ``VaultError/damaged``
  ///   when it is another key or the canary was altered.
  package static func verify(_ canary: Sealed, with keyring: Keyring) throws(VaultError) {
    let opened = try keyring.open(canary, for: SealedPlace(.canary))
    guard opened.matches(constant) else { throw .damaged }
  }
}
