import Base
import BigCommerce
import Linux
import Logging
import Storage
import Testing
import Vault

@testable import Install
@testable import Spooling

@Suite struct `Spool file` {
  private let installation: InstallationID

  init() throws { installation = try Some.installation() }

  @Test func `what is framed is read again`() throws {
    let frame = SpoolFrame(installation: installation, sealed: [1, 2, 3])
    #expect(try SpoolFrame(bytes: frame.bytes) == frame)
  }

  @Test func `a file that ends anywhere too early is truncated`() throws {
    let bytes = SpoolFrame(installation: installation, sealed: Array(0..<100)).bytes
    for length in 0..<bytes.count {
      #expect(throws: SpoolFrame.Damage.truncated) {
        try SpoolFrame(bytes: Array(bytes[..<length]))
      }
    }
  }

  @Test func `a file with any byte changed is refused`() throws {
    let bytes = SpoolFrame(installation: installation, sealed: Array(0..<100)).bytes
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= 0x40
      #expect(throws: SpoolFrame.Damage.self) { try SpoolFrame(bytes: changed) }
    }
  }

  @Test func `a file with anything after its end is refused`() throws {
    let bytes = SpoolFrame(installation: installation, sealed: [9]).bytes
    #expect(throws: SpoolFrame.Damage.altered) { try SpoolFrame(bytes: bytes + [0]) }
  }
}

@Suite struct `Spool directory` {
  @Test func `records come back as they were, in the order of their keeping`() async throws {
    try await Some.directory { directory in
      let keyring = try Some.keyring()
      let spool = try InstallSpool(directory: directory, keyring: keyring, logger: Some.logger)
      let records = try Some.records()
      for record in records { _ = try await spool.append(record, held: false) }
      let again = try InstallSpool(directory: directory, keyring: keyring, logger: Some.logger)
      #expect(again.pendingCount == records.count)
      var found: [String] = []
      for entry in await again.pending() {
        guard case .record(let record) = await again.read(entry) else { continue }
        found.append(String(decoding: record.plaintext.expose(), as: UTF8.self))
      }
      #expect(
        found == records.map { String(decoding: $0.plaintext.expose(), as: UTF8.self) })
    }
  }

  @Test func `files are for their owner only and hold no secret`() async throws {
    try await Some.directory { directory in
      let spool = try InstallSpool(
        directory: directory, keyring: Some.keyring(), logger: Some.logger)
      for record in try Some.records() { _ = try await spool.append(record, held: false) }
      for name in try Directory.names(in: directory) where name.hasSuffix(".record") {
        let bytes = try SmallFile.read(directory + "/" + name, atMost: 1 << 20)
        let text = String(decoding: bytes, as: UTF8.self)
        for secret in [Some.token, "user@example.com", "jti-"] { #expect(!text.contains(secret)) }
      }
    }
  }

  @Test func `a held record is left alone until it is released`() async throws {
    try await Some.directory { directory in
      let spool = try InstallSpool(
        directory: directory, keyring: Some.keyring(), logger: Some.logger)
      let entry = try await spool.append(Some.records()[0], held: true)
      #expect(await spool.pending().isEmpty)
      spool.release(entry)
      #expect(await spool.pending() == [entry])
      await spool.remove(entry)
      #expect(await spool.pending().isEmpty)
      #expect(spool.pendingCount == 0)
    }
  }

  @Test func `a record of an unknown key is set aside and comes back with its key`() async throws {
    try await Some.directory { directory in
      let old = try Some.keyring("old")
      let spool = try InstallSpool(directory: directory, keyring: old, logger: Some.logger)
      _ = try await spool.append(Some.records()[0], held: false)
      let stranger = try InstallSpool(
        directory: directory, keyring: Some.keyring("new"), logger: Some.logger)
      let entry = try #require(await stranger.pending().first)
      guard case .unreadable("unknown_key") = await stranger.read(entry) else {
        Issue.record("opened without its key")
        return
      }
      await stranger.setAside(entry, because: "unknown_key")
      #expect(await stranger.pending().isEmpty)
      #expect(await stranger.setAsideCount() == 1)
      let owner = try InstallSpool(directory: directory, keyring: old, logger: Some.logger)
      let back = try #require(await owner.pending().first)
      guard case .record = await owner.read(back) else {
        Issue.record("not opened with its key")
        return
      }
    }
  }

  @Test func `a whole draft is a record, a torn one is set aside`() async throws {
    try await Some.directory { directory in
      let keyring = try Some.keyring()
      let spool = try InstallSpool(directory: directory, keyring: keyring, logger: Some.logger)
      let entry = try await spool.append(Some.records()[0], held: false)
      let bytes = try SmallFile.read(directory + "/" + entry.name, atMost: 1 << 20)
      await spool.remove(entry)
      let whole = "00000000000000000001-aaaaaaaa.record.partial"
      let torn = "00000000000000000002-bbbbbbbb.record.partial"
      try DurableFile.create(whole, in: directory, bytes)
      try DurableFile.create(torn, in: directory, Array(bytes.dropLast()))
      let again = try InstallSpool(directory: directory, keyring: keyring, logger: Some.logger)
      #expect(await again.pending().map { $0.name } == [String(whole.dropLast(8))])
      #expect(await again.setAsideCount() == 1)
    }
  }

  @Test func `a disk that refuses is an error, and nothing counts as kept`() async throws {
    try await Some.directory { directory in
      let spool = try InstallSpool(
        directory: directory, keyring: Some.keyring(), logger: Some.logger)
      // The directory goes away under it: whoever runs the tests, root too, is refused.
      for name in try Directory.names(in: directory) where name != "set-aside" {
        try DurableFile.remove(name, in: directory)
      }
      try DurableFile.rename(
        "set-aside", to: "../gone-\(UInt32.random(in: 0 ... .max))", in: directory)
      try Some.removeDirectory(directory)
      await #expect(throws: SpoolError.self) {
        try await spool.append(Some.records()[0], held: false)
      }
      #expect(spool.pendingCount == 0)
    }
  }
}
