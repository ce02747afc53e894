package import Base
import Dispatch
import Linux
package import Logging
import Synchronization
package import Vault

/// Why something could not be kept on disk.
package enum SpoolError: Error, Equatable {
  /// The disk refused: full, read-only, or broken. Nothing is kept.
  case disk(String)
  /// So much is waiting that something must be wrong.
  case full
  case notSealed(VaultError)
}

/// Something that can wait on disk.
package protocol Spoolable: Sendable {
  /// Whose it is; `nil`: of several installations.
  var installation: InstallationID? { get }
  /// The record as the text that is sealed.
  var plaintext: Secret<[UInt8]> { get }

  /// Reads that text; `nil` when it is none of this program's.
  init?(plaintext: Secret<[UInt8]>, installation: InstallationID?)
}

/// One record on disk.
package struct SpoolEntry: Hashable, Sendable {
  let name: String
}

/// What a spool's file turned out to be.
package enum SpoolContent<Record: Spoolable>: Sendable {
  case record(Record)
  /// It cannot be read or opened; the word says why.
  case unreadable(String)
  /// Somebody else has dealt with it.
  case gone
}

/// Keeps on disk what was accepted while the database was away, until the database has it.
///
/// One file per record, sealed, complete and durable before ``append(_:held:)`` returns. The names
/// order the records; replay is idempotent, so that a record may be replayed by this process and by
/// one that is just ending.
package final class Spool<Record: Spoolable>: Sendable {
  package typealias Entry = SpoolEntry
  package typealias Content = SpoolContent<Record>

  /// More records than this are refused.
  package static var maxRecords: Int { 100_000 }

  private struct State {
    var lastNumber: Int64 = 0
    /// Records that their callback is still dealing with.
    var held: Set<String> = []
    var count = 0
  }

  private let directory: String
  private let keyring: Keyring
  private let clock: WallClock
  private let random: RandomSource
  private let logger: Logger
  private let disk = DispatchQueue(label: "spool")
  private let state = Mutex(State())

  private var setAsideDirectory: String { directory + "/set-aside" }

  /// Opens the spool, and finishes or sets aside what a crash left half-written.
  package init(
    directory: String, keyring: Keyring, clock: WallClock = .system, random: RandomSource = .system,
    logger: Logger
  ) throws(SpoolError) {
    self.directory = directory
    self.keyring = keyring
    self.clock = clock
    self.random = random
    self.logger = logger
    do throws(SystemError) {
      try DurableFile.makeDirectory(directory)
      try DurableFile.makeDirectory(directory + "/set-aside")
      try recover()
    } catch {
      throw .disk(error.description)
    }
  }

  /// How many records wait.
  package var pendingCount: Int { state.withLock { $0.count } }

  /// Keeps a record: durable when this returns.
  ///
  /// With a held record the caller deals itself; replay leaves it alone until ``release(_:)``.
  package func append(_ record: Record, held: Bool) async throws(SpoolError) -> Entry {
    let bytes: [UInt8]
    do throws(VaultError) {
      let sealed = try keyring.seal(
        record.plaintext, for: SealedPlace(record.installation))
      bytes = SpoolFrame(installation: record.installation, sealed: sealed.bytes).bytes
    } catch {
      throw .notSealed(error)
    }
    guard let entry = enter(held: held) else { throw .full }
    let result = await onDisk { [directory] in
      Result { () throws(SystemError) in
        try DurableFile.create(entry.name, in: directory, bytes)
      }
    }
    if case .failure(let failure) = result {
      leave(entry)
      logger.error("spool cannot keep a record", metadata: ["cause": "\(failure)"])
      throw .disk(failure.description)
    }
    return entry
  }

  /// Deletes a record that the database has.
  package func remove(_ entry: Entry) async {
    let result = await onDisk { [directory] in
      Result { () throws(SystemError) in
        try DurableFile.remove(entry.name, in: directory)
      }
    }
    if case .failure(let failure) = result {
      // It is replayed once more and changes nothing.
      logger.error("spool cannot delete a record", metadata: ["cause": "\(failure)"])
      release(entry)
      return
    }
    leave(entry)
  }

  /// Leaves a held record to replay.
  package func release(_ entry: Entry) {
    state.withLock { state in _ = state.held.remove(entry.name) }
  }

  /// The records that nobody deals with, oldest first.
  package func pending() async -> [Entry] {
    let result = await onDisk { [directory] in
      Result { () throws(SystemError) in try Directory.names(in: directory) }
    }
    switch result {
    case .success(let names):
      let held = state.withLock { $0.held }
      return names.filter { Spool.isRecord($0) && !held.contains($0) }.map(Entry.init)
    case .failure(let failure):
      logger.error("spool cannot be listed", metadata: ["cause": "\(failure)"])
      return []
    }
  }

  package func read(_ entry: Entry) async -> Content {
    let result = await onDisk { [directory] in
      Result { () throws(SystemError) in
        try SmallFile.read(directory + "/" + entry.name, atMost: SpoolFrame.maxLength + 256)
      }
    }
    switch result {
    case .success(let bytes): return open(bytes)
    case .failure(let failure):
      return failure.isMissing ? .gone : .unreadable(failure.description)
    }
  }

  /// Moves a record out of the way; it is kept, and tried again at the next start.
  package func setAside(_ entry: Entry, because reason: String) async {
    let result = await onDisk { [directory, setAsideDirectory] in
      Result { () throws(SystemError) in
        try DurableFile.move(entry.name, from: directory, to: setAsideDirectory)
      }
    }
    logger.critical(
      "spool record set aside",
      metadata: ["record": "\(entry.name)", "reason": "\(reason)", "moved": "\(result)"])
    leave(entry)
  }

  /// How many records are set aside.
  package func setAsideCount() async -> Int {
    let result = await onDisk { [setAsideDirectory] in
      Result { () throws(SystemError) in try Directory.names(in: setAsideDirectory) }
    }
    guard case .success(let names) = result else { return 0 }
    return names.count
  }
}

extension Spool {
  private static var suffix: String { ".record" }

  private static func isRecord(_ name: String) -> Bool { name.hasSuffix(suffix) }

  private func enter(held: Bool) -> Entry? {
    let tag = Hex.encode(random.bytes(4))
    return state.withLock { state in
      guard state.count < Spool.maxRecords else { return nil }
      // Never backwards, also when the clock is: the names are the order.
      state.lastNumber = max(state.lastNumber + 1, clock.now().microseconds)
      let digits = String(state.lastNumber)
      let padding = String(repeating: "0", count: max(0, 20 - digits.utf8.count))
      let name = padding + digits + "-" + tag + Spool.suffix
      state.count += 1
      if held { state.held.insert(name) }
      return Entry(name: name)
    }
  }

  private func leave(_ entry: Entry) {
    state.withLock { state in
      state.held.remove(entry.name)
      state.count = max(0, state.count - 1)
    }
  }

  private func open(_ bytes: [UInt8]) -> Content {
    let frame: SpoolFrame
    do throws(SpoolFrame.Damage) {
      frame = try SpoolFrame(bytes: bytes)
    } catch {
      return .unreadable("\(error)")
    }
    do throws(VaultError) {
      let opened = try keyring.open(
        Sealed(bytes: frame.sealed), for: SealedPlace(frame.installation))
      guard let record = Record(plaintext: opened, installation: frame.installation) else {
        return .unreadable("unknown_record")
      }
      return .record(record)
    } catch {
      return .unreadable(error.reason)
    }
  }

  /// Names whole drafts, sets torn ones aside, and brings back what was set aside, in case its key
  /// is there now.
  private func recover() throws(SystemError) {
    for name in try Directory.names(in: setAsideDirectory) where Spool.isRecord(name) {
      try DurableFile.move(name, from: setAsideDirectory, to: directory)
    }
    let draft = Spool.suffix + ".partial"
    for name in try Directory.names(in: directory) where name.hasSuffix(draft) {
      let bytes = try SmallFile.read(directory + "/" + name, atMost: SpoolFrame.maxLength + 256)
      if case .record = open(bytes) {
        let whole = String(name.dropLast(".partial".count))
        try DurableFile.rename(name, to: whole, in: directory)
      } else {
        // Torn while it was written, so nobody was told that it is kept.
        logger.error("spool record is torn", metadata: ["record": "\(name)"])
        try DurableFile.move(name, from: directory, to: setAsideDirectory)
      }
    }
    let records = try Directory.names(in: directory).filter(Spool.isRecord)
    let last = records.last.flatMap { Int64($0.prefix(20)) } ?? 0
    state.withLock { state in
      state.count = records.count
      state.lastNumber = last
    }
  }

  /// Runs on a thread that may block.
  private func onDisk<Success: Sendable>(
    _ body: @escaping @Sendable () -> Result<Success, SystemError>
  ) async -> Result<Success, SystemError> {
    await withCheckedContinuation { continuation in
      disk.async { continuation.resume(returning: body()) }
    }
  }
}

extension SealedPlace {
  fileprivate init(_ installation: InstallationID?) {
    self.init(.spoolRecord, app: installation?.app, store: installation?.store)
  }
}
