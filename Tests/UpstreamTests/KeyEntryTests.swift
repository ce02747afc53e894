import Base
import BigCommerce
import Storage
import Testing
import Upstream
import Vault

@Suite struct `A key in memory` {
  private func key(
    expires: Int64? = nil, overlapEnds: Int64? = nil, revoked: Int64? = nil
  ) -> KeyEntry {
    let key = ServiceKey.generate()
    return KeyEntry(
      ServiceKeyRecord(
        id: key.id, name: "test", digest: key.digest,
        grant: Grant(
          app: nil, stores: .all, scopes: .all, abilities: Abilities([.operator]),
          expiresAt: expires.map { Timestamp(seconds: $0) }),
        createdAt: Timestamp(seconds: 0), createdBy: "bootstrap",
        overlapEndsAt: overlapEnds.map { Timestamp(seconds: $0) },
        revokedAt: revoked.map { Timestamp(seconds: $0) }))
  }

  @Test func `it is valid until the first of its ends, and not at that moment`() {
    let end = Timestamp(seconds: 100)
    for ending in [
      key(expires: 100), key(overlapEnds: 100), key(expires: 100, overlapEnds: 101),
      key(expires: 101, overlapEnds: 100),
    ] {
      #expect(ending.isValid(at: end - .microseconds(1)) && !ending.isValid(at: end))
      #expect(ending.record.isValid(at: end - .microseconds(1)) && !ending.record.isValid(at: end))
    }
  }

  @Test func `without an end it stays valid, and once revoked it never was`() {
    for moment: Int64 in [0, 100, 1_000_000_000_000] {
      #expect(key().isValid(at: Timestamp(seconds: moment)))
      #expect(!key(expires: 200, revoked: 150).isValid(at: Timestamp(seconds: moment)))
    }
  }
}
