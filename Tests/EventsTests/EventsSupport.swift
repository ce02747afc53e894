import Base
import Logging
import Testing

extension InstallationID {
  /// The app `default` on a store.
  static func of(_ store: String) throws -> InstallationID {
    InstallationID(app: .default, store: try #require(StoreHash(store)))
  }
}

extension Logger {
  /// For tests that provoke errors.
  static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}
