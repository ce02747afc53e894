import Base
import BigCommerce
import Fields
import HTTPTypes
import Storage
import Testing
import Upstream
import Vault

/// A service key with its text, which the product never keeps.
struct TestKey: Sendable {
  let text: String
  let record: ServiceKeyRecord

  init(_ grant: Grant, revokedAt: Timestamp? = nil, rotatedFrom old: TestKey? = nil) {
    let key = ServiceKey.generate()
    text = key.text.expose()
    record = ServiceKeyRecord(
      id: key.id, name: "test", digest: key.digest, grant: grant, createdAt: Timestamp(seconds: 0),
      createdBy: "bootstrap", revokedAt: revokedAt, rotatedFrom: old?.record.id)
  }
}

extension Grant {
  /// All that a key of the app `default` may do.
  static let everything = Grant(
    app: .default, stores: .all, scopes: .all, abilities: Abilities([.operator]))
}

/// Values that tests name by text; a wrong one is a mistake in the test.
enum Named {
  static func app(_ text: String) throws -> AppName { try #require(AppName(text)) }

  static func store(_ text: String) throws -> StoreHash { try #require(StoreHash(text)) }

  static func installation(_ app: String, _ store: String) throws -> InstallationID {
    InstallationID(app: try self.app(app), store: try self.store(store))
  }

  static func requestID(_ text: String = "req-1") throws -> RequestID {
    try #require(RequestID(text))
  }

  static func fields(_ pairs: [(String, String)]) throws -> FieldSection {
    var fields = FieldSection()
    for (name, value) in pairs {
      try #require(fields.append(name.utf8.span, value.utf8.span) != nil)
    }
    return fields
  }
}
