/// Names an installation: one app on one store.
///
/// Leads the key of every tenant table.
package struct InstallationID: Hashable, Sendable, CustomStringConvertible {
  package let app: AppName
  package let store: StoreHash

  package init(app: AppName, store: StoreHash) {
    self.app = app
    self.store = store
  }

  package var description: String { "\(app)/\(store)" }
}

/// Counts the tokens an installation has had; each new token is a new generation.
///
/// The first is 1.
package struct Generation: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let number: Int64

  package init(_ number: Int64) {
    self.number = number
  }

  package var next: Generation { Generation(number + 1) }

  package var description: String { String(number) }

  package static func < (left: Generation, right: Generation) -> Bool { left.number < right.number }
}
