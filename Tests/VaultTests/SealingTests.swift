import Base
import TestSupport
import Testing

@testable import Vault

@Suite struct `Sealing` {
  private let ring: Keyring
  private let app: AppName
  private let store: StoreHash
  private let place: SealedPlace

  init() throws {
    ring = try Keyring(parsing: Secret("\(entry("k1", 1)),\(entry("k2", 2))"))
    app = try #require(AppName("shop"))
    store = try #require(StoreHash("abc123"))
    place = SealedPlace(
      .accessToken, of: InstallationID(app: app, store: store), generation: Generation(7))
  }

  @Test func `what is sealed is opened again at its place`() throws {
    for count in [0, 1, 15, 16, 17, 31, 512, 70_000] {
      let secret = Secret((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) })
      let stored = try ring.seal(secret, for: place).bytes
      #expect(try ring.open(Sealed(bytes: stored), for: place).expose() == secret.expose())
    }
  }

  @Test func `any secret at any place comes back, and only there`() throws {
    var random = SeededGenerator()
    for _ in 0..<count(ordinary: 500, full: 20_000) {
      let secret = (0..<Int.random(in: 0..<200, using: &random)).map { _ in
        UInt8.random(in: .min ... .max, using: &random)
      }
      let here = randomPlace(&random)
      let there = randomPlace(&random)
      let sealed = try Sealed(bytes: ring.seal(Secret(secret), for: here).bytes)
      #expect(try ring.open(sealed, for: here).expose() == secret, "seed \(random.seed)")
      guard here != there else { continue }
      #expect(throws: VaultError.damaged, "seed \(random.seed)") {
        try ring.open(sealed, for: there)
      }
    }
  }

  private func randomPlace(_ random: inout SeededGenerator) -> SealedPlace {
    SealedPlace(
      SealedPurpose.allCases.randomElement(using: &random) ?? .canary,
      app: [nil, AppName("a"), AppName("ab"), AppName("b")].randomElement(using: &random) ?? nil,
      store: [nil, StoreHash("a"), StoreHash("ab"), StoreHash("1")].randomElement(using: &random)
        ?? nil,
      generation: [nil, Generation(1), Generation(11)].randomElement(using: &random) ?? nil,
      row: [[], ["a"], ["ab"], ["a", "b"], ["", "ab"]].randomElement(using: &random) ?? [])
  }

  @Test func `the envelope is version, key ID, nonce, ciphertext and tag`() throws {
    let fixed = try Keyring(
      parsing: Secret(entry("k1", 1)), random: RandomSource { [UInt8](repeating: 9, count: $0) })
    let bytes = try fixed.seal(Secret([1, 2, 3]), for: place).bytes
    #expect(bytes.count == 2 + 1 + 2 + 12 + 3 + 16)
    #expect(Array(bytes.prefix(17)) == Array("v1\u{2}k1".utf8) + [UInt8](repeating: 9, count: 12))
    #expect(try fixed.seal(Secret([1, 2, 3]), for: place).bytes == bytes)
  }

  @Test func `two sealings of one secret differ`() throws {
    let made = try (0..<1000).map { _ in try ring.seal(Secret([1]), for: place).bytes }
    #expect(Set(made).count == 1000)
  }

  @Test func `every single change of the place fails`() throws {
    let sealed = try ring.seal(Secret([1, 2, 3]), for: place)
    let otherApp = try #require(AppName("shop2"))
    let otherStore = try #require(StoreHash("abc124"))
    var others = [
      SealedPlace(.accessToken, app: otherApp, store: store, generation: Generation(7)),
      SealedPlace(.accessToken, app: nil, store: store, generation: Generation(7)),
      SealedPlace(.accessToken, app: app, store: otherStore, generation: Generation(7)),
      SealedPlace(.accessToken, app: app, store: nil, generation: Generation(7)),
      SealedPlace(.accessToken, app: app, store: store, generation: Generation(8)),
      SealedPlace(.accessToken, app: app, store: store, generation: Generation(6)),
      SealedPlace(.accessToken, app: app, store: store, generation: nil),
      SealedPlace(.accessToken, app: app, store: store, generation: Generation(7), row: [""]),
    ]
    others += SealedPurpose.allCases.filter { $0 != .accessToken }.map {
      SealedPlace($0, app: app, store: store, generation: Generation(7))
    }
    for other in others {
      #expect(throws: VaultError.damaged) { try ring.open(sealed, for: other) }
    }
  }

  @Test func `the ID of another key that is loaded does not open it`() throws {
    let sealed = try ring.seal(Secret([1, 2, 3]), for: place)
    let renamed = Sealed(
      keyID: try #require(KeyID("k2")), nonce: sealed.nonce, ciphertext: sealed.ciphertext,
      tag: sealed.tag)
    #expect(throws: VaultError.damaged) { try ring.open(renamed, for: place) }
  }

  @Test func `the same key under another ID does not open it`() throws {
    let sealed = try ring.seal(Secret([1, 2, 3]), for: place)
    let same = try Keyring(parsing: Secret(entry("k9", 1)))
    let renamed = Sealed(
      keyID: try #require(KeyID("k9")), nonce: sealed.nonce, ciphertext: sealed.ciphertext,
      tag: sealed.tag)
    #expect(throws: VaultError.damaged) { try same.open(renamed, for: place) }
  }

  @Test func `fields that run into each other are different places`() throws {
    let first = SealedPlace(.accessToken, app: AppName("ab"), store: StoreHash("c"))
    let second = SealedPlace(.accessToken, app: AppName("a"), store: StoreHash("bc"))
    let third = SealedPlace(
      .accessToken, app: AppName("ab"), store: nil, generation: Generation(1))
    let fourth = SealedPlace(.accessToken, app: AppName("ab"), store: StoreHash("1"))
    let id = ring.sealingKeyID
    #expect(Set([first, second, third, fourth].map { $0.associatedData(keyID: id) }).count == 4)
  }

  @Test func `swapped rows of two stores do not open`() throws {
    let one = SealedPlace(
      .accessToken, app: app, store: StoreHash("one"), generation: Generation(1))
    let two = SealedPlace(
      .accessToken, app: app, store: StoreHash("two"), generation: Generation(1))
    let ofOne = try ring.seal(Secret(Array("token one".utf8)), for: one)
    let ofTwo = try ring.seal(Secret(Array("token two".utf8)), for: two)
    #expect(throws: VaultError.damaged) { try ring.open(ofTwo, for: one) }
    #expect(throws: VaultError.damaged) { try ring.open(ofOne, for: two) }
  }

  @Test func `no single changed bit is opened`() throws {
    let bytes = try ring.seal(Secret(Array("a store's token".utf8)), for: place).bytes
    for index in bytes.indices {
      for bit in 0..<8 {
        var changed = bytes
        changed[index] ^= 1 << UInt8(bit)
        #expect(throws: VaultError.self, "byte \(index), bit \(bit)") {
          try ring.open(Sealed(bytes: changed), for: place)
        }
      }
    }
  }

  @Test func `nothing cut off or appended is opened`() throws {
    let bytes = try ring.seal(Secret(Array("a store's token".utf8)), for: place).bytes
    for length in 0..<bytes.count {
      #expect(throws: VaultError.self) {
        try ring.open(Sealed(bytes: Array(bytes.prefix(length))), for: place)
      }
    }
    #expect(throws: VaultError.damaged) { try ring.open(Sealed(bytes: bytes + [0]), for: place) }
  }

  @Test func `a key that is not loaded is named`() throws {
    let sealed = try ring.seal(Secret([1]), for: place)
    let other = try Keyring(parsing: Secret(entry("k3", 3)))
    #expect(throws: VaultError.unknownKey(ring.sealingKeyID)) {
      try other.open(sealed, for: place)
    }
  }

  @Test func `another version is told from damage`() throws {
    var bytes = try ring.seal(Secret([1]), for: place).bytes
    bytes[1] = UInt8(ascii: "2")
    #expect(throws: VaultError.unknownVersion) { try Sealed(bytes: bytes) }
    #expect(throws: VaultError.damaged) { try Sealed(bytes: []) }
    #expect(throws: VaultError.damaged) { try Sealed(bytes: Array("v1".utf8)) }
    #expect(throws: VaultError.damaged) { try Sealed(bytes: Array("v1\u{ff}".utf8)) }
  }

  @Test func `random bytes never trap`() {
    var random = SeededGenerator()
    for _ in 0..<count(ordinary: 5000, full: 200_000) {
      var bytes = (0..<Int.random(in: 0..<80, using: &random)).map { _ in
        UInt8.random(in: .min ... .max, using: &random)
      }
      if Bool.random(using: &random) { bytes = Array("v1\u{2}k1".utf8) + bytes }
      #expect(throws: VaultError.self, "seed \(random.seed)") {
        try ring.open(Sealed(bytes: bytes), for: place)
      }
    }
  }

  @Test func `rewrapping changes the key and not the secret`() throws {
    let turned = try Keyring(parsing: Secret("\(entry("k2", 2)),\(entry("k1", 1))"))
    let old = try ring.seal(Secret([1, 2, 3]), for: place)
    let new = try #require(try turned.rewrap(old, for: place))
    #expect(new.keyID.text == "k2")
    #expect(try turned.open(new, for: place).expose() == [1, 2, 3])
    #expect(try turned.rewrap(new, for: place) == nil)
    let there = SealedPlace(.canary)
    #expect(throws: VaultError.damaged) { try turned.rewrap(old, for: there) }
  }

  @Test func `a canary tells a wrong key under the right ID`() throws {
    for id in ring.keyIDs {
      let canary = try Canary.make(id, with: ring)
      #expect(canary.keyID == id)
      try Canary.verify(canary, with: ring)
      try Canary.verify(Sealed(bytes: canary.bytes), with: ring)
    }
    let wrong = try Keyring(parsing: Secret(entry("k1", 9)))
    let canary = try Canary.make(ring.sealingKeyID, with: ring)
    #expect(throws: VaultError.damaged) { try Canary.verify(canary, with: wrong) }
    let without = try Keyring(parsing: Secret(entry("k3", 1)))
    #expect(throws: VaultError.unknownKey(ring.sealingKeyID)) {
      try Canary.verify(canary, with: without)
    }
    #expect(throws: VaultError.unknownKey(ring.sealingKeyID)) {
      try Canary.make(ring.sealingKeyID, with: without)
    }
  }
}
