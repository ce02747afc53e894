import Base
import BigCommerce
import Logging
import Postgres
import Storage
import Synchronization
import TestSupport
import Testing
import Upstream
import Vault

/// A source of changes that says what it is told to.
private final class ScriptedSource: StoreChangeSource {
  private struct State {
    var position: Int64 = 0
    var installations: [InstallationID: InstallationRecord] = [:]
    var keys: [ServiceKeyRecord] = []
    var isDown = false
    var unreadable: [InstallationID] = []
  }

  private let state = Mutex(State())

  var unreadable: [InstallationID] { state.withLock { $0.unreadable } }

  func setDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }

  /// Puts a row in place, as the next change.
  func put(_ id: InstallationID, _ state: InstallationState, sealed: Sealed?) {
    self.state.withLock { all in
      all.position += 1
      all.installations[id] = InstallationRecord(
        installation: id, state: state, generation: Generation(1), sealedToken: sealed?.bytes,
        scopes: .none, changeNumber: all.position)
    }
  }

  /// Goes back in time, as a restored backup does.
  func restore() {
    state.withLock { all in
      all.position = 1
      all.installations = all.installations.filter { $0.value.changeNumber <= 1 }
    }
  }

  func changes(after position: Int64) async throws(PostgresError) -> StoreChanges {
    let all = state.withLock { $0 }
    if all.isDown { throw .unavailable }
    let start = all.position < position ? 0 : position
    return StoreChanges(
      position: all.position, replacesAll: all.position < position,
      installations: all.installations.values.filter { $0.changeNumber > start }, keys: all.keys)
  }

  func auditUnreadable(_ records: [InstallationRecord]) async throws(PostgresError) {
    state.withLock { $0.unreadable += records.map(\.installation) }
  }
}

@Suite struct `The directory of stores` {
  private let keyring: Keyring
  private let source = ScriptedSource()
  private let time = ManualClock()
  private let directory: StoreDirectory

  init() throws {
    let entry = Keyring.makeEntry(try #require(KeyID("k1")))
    keyring = try Keyring(parsing: entry)
    directory = StoreDirectory(
      source: source, keyring: keyring, clock: time.clock, logger: .silent)
  }

  private func id(_ store: String) throws -> InstallationID {
    InstallationID(app: .default, store: try #require(StoreHash(store)))
  }

  private func seal(_ token: String, for id: InstallationID) throws -> Sealed {
    try keyring.seal(
      Secret(Array(token.utf8)), for: SealedPlace(.accessToken, of: id, generation: Generation(1)))
  }

  private func token(_ id: InstallationID) -> String? {
    guard case .open(let token) = directory.current()?.store(id)?.token else { return nil }
    return token.expose()
  }

  @Test func `nothing is known before the first poll`() async throws {
    #expect(directory.current() == nil)
    try await directory.refreshNow()
    #expect(directory.current()?.storeCount == 0)
  }

  @Test func `changes are taken over one by one, tokens opened`() async throws {
    let one = try id("one")
    let two = try id("two")
    source.put(one, .active, sealed: try seal("token-1", for: one))
    try await directory.refreshNow()
    let before = directory.current()
    source.put(two, .active, sealed: try seal("token-2", for: two))
    source.put(one, .uninstalled, sealed: nil)
    try await directory.refreshNow()
    #expect(directory.current()?.store(one)?.state == .uninstalled)
    #expect(token(two) == "token-2")
    #expect(before?.store(one)?.state == .active, "a snapshot never changes")
    #expect(directory.current()?.position == 3)
  }

  @Test func `what is known of calls outlives a change of the store`() async throws {
    let one = try id("one")
    source.put(one, .active, sealed: try seal("t", for: one))
    try await directory.refreshNow()
    let activity = directory.current()?.store(one)?.activity
    source.put(one, .suspended, sealed: try seal("t", for: one))
    try await directory.refreshNow()
    #expect(directory.current()?.store(one)?.activity === activity)
  }

  @Test func `after five seconds without a poll it is not trusted, and again after the next`()
    async throws
  {
    try await directory.refreshNow()
    source.setDown(true)
    time.advance(by: .seconds(5))
    await #expect(throws: PostgresError.unavailable) { try await directory.refreshNow() }
    #expect(directory.current() != nil)
    time.advance(by: .milliseconds(1))
    #expect(directory.current() == nil)
    source.setDown(false)
    try await directory.refreshNow()
    #expect(directory.current() != nil)
  }

  @Test func `a token sealed for another place, or with another key, is told and not used`()
    async throws
  {
    let one = try id("one")
    let two = try id("two")
    let other = try Keyring(parsing: Keyring.makeEntry(try #require(KeyID("k2"))))
    source.put(one, .active, sealed: try seal("token-2", for: two))
    source.put(
      two, .active,
      sealed: try other.seal(
        Secret(Array("t".utf8)), for: SealedPlace(.accessToken, of: two, generation: Generation(1)))
    )
    try await directory.refreshNow()
    for (id, reason) in [(one, "damaged"), (two, "unknown_key")] {
      guard case .unreadable(let word) = directory.current()?.store(id)?.token else {
        Issue.record("\(id) is readable")
        continue
      }
      #expect(word == reason)
    }
    #expect(Set(source.unreadable) == [one, two])
  }

  @Test func `a counter that went back replaces everything`() async throws {
    let one = try id("one")
    let two = try id("two")
    source.put(one, .active, sealed: try seal("t", for: one))
    source.put(two, .active, sealed: try seal("t", for: two))
    try await directory.refreshNow()
    source.restore()
    try await directory.refreshNow()
    #expect(directory.current()?.store(one) != nil)
    #expect(directory.current()?.store(two) == nil)
    #expect(directory.current()?.position == 1)
  }

  @Test func `a change among thousands of stores costs no copy of them all`() async throws {
    for number in 0..<count(ordinary: 6_000, full: 60_000) {
      source.put(try id("s\(number)"), .uninstalled, sealed: nil)
    }
    try await directory.refreshNow()
    source.put(try id("new"), .active, sealed: try seal("t", for: try id("new")))
    try await directory.refreshNow()
    #expect(directory.current()?.storeCount == count(ordinary: 6_001, full: 60_001))
    #expect(token(try id("new")) == "t")
  }

  @Test func `it polls until it is told to stop`() async throws {
    let one = try id("one")
    source.put(one, .active, sealed: try seal("t", for: one))
    let polling = Task { [directory] in try await directory.run() }
    while directory.current()?.store(one) == nil { await Task.yield() }
    polling.cancel()
    try await polling.value
  }
}

extension Logger {
  /// For tests that provoke errors.
  static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

@Suite struct `Suspicions of revocation` {
  @Test func `many refusals of one token are one suspicion, and a newer token's counts`() throws {
    let suspicions = Suspicions()
    let id = InstallationID(app: .default, store: try #require(StoreHash("one")))
    for _ in 0..<3 { suspicions.report(id, Generation(2)) }
    suspicions.report(id, Generation(1))
    #expect(suspicions.takeAll() == [id: Generation(2)])
    #expect(suspicions.takeAll().isEmpty)
  }
}
