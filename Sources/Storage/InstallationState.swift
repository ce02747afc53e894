/// What an installation's token is good for.
package enum InstallationState: String, CaseIterable, Hashable, Sendable {
  case active
  /// An operator stopped all calls.
  case suspended
  /// The platform refuses the token; it is kept, and tried again from time to time.
  case revoked
  /// The token is destroyed; the row is a tombstone.
  case uninstalled
}
