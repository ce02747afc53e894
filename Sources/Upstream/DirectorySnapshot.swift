package import Base
import HashTreeCollections
package import Storage
package import Vault

/// All installations and service keys at one moment; it never changes.
///
/// A change copies only the branches of the trees that lead to it, so 60 000 stores cost no more
/// than one.
package struct DirectorySnapshot: Sendable {
  private var stores: [AppName: TreeDictionary<StoreHash, StoreEntry>] = [:]
  private var keys: TreeDictionary<String, KeyEntry> = [:]
  private var keyIDs: TreeDictionary<KeyDigest, String> = [:]
  /// The change number up to which it is complete.
  package private(set) var position: Int64 = 0

  package init() {}

  /// A snapshot of just these.
  package init(stores: [StoreEntry], keys: [ServiceKeyRecord]) {
    let changes = StoreChanges(position: 0, replacesAll: false, installations: [], keys: keys)
    apply(changes, stores)
  }

  /// The installation, or `nil` when the app was never installed there.
  package func store(_ installation: InstallationID) -> StoreEntry? {
    stores[installation.app]?[installation.store]
  }

  func forEachStore(_ body: (StoreEntry) -> Void) {
    for app in stores.values { for store in app.values { body(store) } }
  }

  /// How many installations are known, those that were uninstalled included.
  package var storeCount: Int { stores.values.reduce(0) { $0 + $1.count } }

  /// The key that a caller presents, if it is good now; that it was used is noted.
  ///
  /// Its parts are those that `ServiceKey.parse` found.
  package func caller(
    _ presented: (id: String, digest: KeyDigest), at now: Timestamp
  ) -> KeyEntry? {
    guard let id = keyIDs[presented.digest], id == presented.id, let key = keys[id],
      key.isValid(at: now)
    else { return nil }
    key.activity.noteUse(at: now)
    return key
  }

  /// The key of that ID if it is good now, for somebody who has shown it before; that it was used
  /// is noted.
  package func caller(id: String, at now: Timestamp) -> KeyEntry? {
    guard let key = keys[id], key.isValid(at: now) else { return nil }
    key.activity.noteUse(at: now)
    return key
  }

  /// The key of that ID, whether still valid or not.
  package func key(id: String) -> ServiceKeyRecord? { keys[id]?.record }

  /// The ID of the key from which this one descends by rotation: the same for all keys that a caller
  /// has had one after the other.
  package func firstKey(of key: KeyEntry) -> String {
    var first = key.record
    // Each was made later than the one before it; the bound is against a table that somebody edited.
    for _ in 0..<1000 {
      guard let former = first.rotatedFrom, let record = keys[former]?.record else { break }
      first = record
    }
    return first.id
  }

  /// Keys whose last use is not in the database yet, with its minute.
  var usedKeys: [(key: KeyEntry, minute: Int64)] {
    keys.values.compactMap { key in
      key.activity.unwrittenMinute.map { (key: key, minute: $0) }
    }
  }

  /// Takes over what changed; a row older than the one known is left out, so that polls may
  /// overlap.
  mutating func apply(_ changes: StoreChanges, _ entries: [StoreEntry]) {
    let knownKeys = keys
    if changes.replacesAll {
      stores = [:]
      keys = [:]
      keyIDs = [:]
    }
    for entry in entries {
      let id = entry.installation
      if let known = stores[id.app]?[id.store], known.changeNumber >= entry.changeNumber {
        continue
      }
      stores[id.app, default: [:]][id.store] = entry
    }
    for key in changes.keys {
      if let known = keys[key.id], known.record.changeNumber >= key.changeNumber { continue }
      keys[key.id] = KeyEntry(key, activity: knownKeys[key.id]?.activity ?? KeyActivity())
      keyIDs[key.digest] = key.id
    }
    position = changes.replacesAll ? changes.position : max(position, changes.position)
  }
}
