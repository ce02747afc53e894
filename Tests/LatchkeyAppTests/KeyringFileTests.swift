import Base
import Glibc
import LatchkeyApp
import Linux
import TestSupport
import Testing
import Vault

@Suite struct `The file with the encryption key` {
  private let path: String

  init() throws {
    path = try temporaryDirectory("key") + "/made/encryption.key"
  }

  private func put(_ content: String) throws {
    _ = try Directory.make(path.replacing("/encryption.key", with: ""), mode: 0o700).get()
    _ = try SmallFile.createPrivate(path, Array(content.utf8))
  }

  @Test func `is made once, for its owner only`() async throws {
    let file = KeyringFile(path: path)
    let rings = try await withThrowingTaskGroup { group in
      for _ in 0..<8 { group.addTask { try file.openOrMake() } }
      var rings: [Keyring] = []
      for try await ring in group { rings.append(ring) }
      return rings
    }
    #expect(try SmallFile.readOwned(path).ownership.mode == 0o600)
    let first = try #require(rings.first)
    let canary = try Canary.make(first.sealingKeyID, with: first)
    for ring in rings { try Canary.verify(canary, with: ring) }
  }

  @Test func `made anew after a loss is told from the old one`() throws {
    let file = KeyringFile(path: path)
    let first = try file.openOrMake()
    let canary = try Canary.make(first.sealingKeyID, with: first)
    try SmallFile.remove(path)
    let second = try file.openOrMake()
    #expect(throws: VaultError.damaged) { try Canary.verify(canary, with: second) }
  }

  @Test(arguments: [UInt32(0o604), 0o640, 0o620, 0o666])
  func `is refused when others have a right to it`(_ mode: UInt32) throws {
    let file = KeyringFile(path: path)
    _ = try file.openOrMake()
    try Directory.setMode(path, mode)
    #expect(throws: KeyringFileError.openToOthers(path: path)) { try file.openOrMake() }
  }

  @Test func `is refused when it is empty, cut off or not text, and is not replaced`() throws {
    for (content, error) in [
      ("", KeyringFileError.malformed(path: path, .empty)),
      ("local:AAAA", .malformed(path: path, .wrongLength(entry: 1, bytes: 3))),
      ("local", .malformed(path: path, .notIDAndKey(entry: 1))),
    ] {
      try put(content)
      #expect(throws: error) { try KeyringFile(path: path).openOrMake() }
      #expect(try SmallFile.read(path) == Array(content.utf8))
      try SmallFile.remove(path)
    }
  }

  @Test func `of a directory that cannot be made is an error, not a key in memory`() {
    #expect(throws: KeyringFileError.self) {
      try KeyringFile(path: "/proc/nowhere/encryption.key").openOrMake()
    }
  }
}
