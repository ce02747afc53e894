package import Base
package import Postgres

/// What an operator wants to be so about a store's labels.
package enum LabelChange: Hashable, Sendable {
  case replace(Set<StoreLabel>)
  /// Whatever the others are: two operators who change different labels do not undo each other.
  case edit(adding: Set<StoreLabel>, removing: Set<StoreLabel>)

  /// The labels afterwards.
  package func applied(to labels: Set<StoreLabel>) -> Set<StoreLabel> {
    switch self {
    case .replace(let wanted): wanted
    case .edit(let adding, let removing): labels.union(adding).subtracting(removing)
    }
  }
}

/// What a change of labels came to.
package enum LabelResult: Hashable, Sendable {
  case changed
  /// They were so already; nothing was written.
  case unchanged
  /// There is no such installation.
  case unknown
  /// The store would have more than ``StoreLabel/mostPerStore``; nothing was written.
  case tooMany
}

extension InstallationStates {
  /// Changes the labels of a store in any state, with its audit row.
  ///
  /// They outlive uninstalling and installing again; only deleting the store's data removes them.
  package func label(
    _ installation: InstallationID, _ change: LabelChange, act: Act
  ) async throws(PostgresError) -> LabelResult {
    try await database.committing { transaction throws(PostgresError) in
      _ = try await transaction.query(.lock(installation))
      let found = try await transaction.query(
        Statement(
          """
          SELECT labels FROM installations WHERE app_id = $1 AND store_hash = $2 FOR UPDATE
          """,
          [installation.app.text, installation.store.text]))
      guard let row = found.rows.first else { return .unknown }
      let before = try row.labels()
      let after = change.applied(to: before)
      guard after != before else { return .unchanged }
      guard after.count <= StoreLabel.mostPerStore else { return .tooMany }
      _ = try await transaction.query(
        .audit(act, "label", installation, .labelChange(from: before, to: after)))
      _ = try await transaction.query(
        Statement(
          "UPDATE installations SET labels = $3 WHERE app_id = $1 AND store_hash = $2",
          [installation.app.text, installation.store.text, after.sorted().map(\.text)]))
      return .changed
    }
  }
}

extension JSONValue {
  /// What the audit says of a change.
  static func labelChange(from before: Set<StoreLabel>, to after: Set<StoreLabel>) -> JSONValue {
    ["added": .labels(after.subtracting(before)), "removed": .labels(before.subtracting(after))]
  }

  fileprivate static func labels(_ labels: Set<StoreLabel>) -> JSONValue {
    .array(labels.sorted().map { .string($0.text) })
  }
}

extension Row {
  /// The column `labels`; one that this version would not accept is left out.
  func labels() throws(PostgresError) -> Set<StoreLabel> {
    Set(try decode("labels", as: [String].self).compactMap { StoreLabel($0) })
  }
}
