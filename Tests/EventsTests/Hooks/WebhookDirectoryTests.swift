import Base
import Events
import Postgres
import Storage
import Synchronization
import TestSupport
import Testing

/// A source of changes that says what it is told to.
private final class ScriptedAddresses: WebhookAddressSource {
  private struct State {
    var position: Int64 = 0
    var addresses: [WebhookAddressRecord] = []
    var isDown = false
    var gate: Gate?
    var polls = 0
  }

  private let state = Mutex(State())

  var polls: Int { state.withLock { $0.polls } }

  func setDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }
  func hold(at gate: Gate?) { state.withLock { $0.gate = gate } }

  func put(
    _ token: String, store: String = "abc", isLive: Bool = true, until: Timestamp? = nil
  ) throws {
    let id = try InstallationID.of(store)
    state.withLock { state in
      state.position += 1
      state.addresses.removeAll { $0.pathToken == token }
      state.addresses.append(
        WebhookAddressRecord(
          installation: id, pathToken: token, secretSHA256: [1, 2], isLive: isLive,
          acceptedUntil: until, changeNumber: state.position))
    }
  }

  func restore() {
    state.withLock { state in
      state.position = 1
      state.addresses.removeAll { $0.changeNumber > 1 }
    }
  }

  func changes(after position: Int64) async throws(PostgresError) -> WebhookAddressChanges {
    let seen = state.withLock { state in
      state.polls += 1
      return state
    }
    await seen.gate?.wait()
    if seen.isDown { throw .unavailable }
    let start = seen.position < position ? 0 : position
    return WebhookAddressChanges(
      position: seen.position, replacesAll: seen.position < position,
      addresses: seen.addresses.filter { $0.changeNumber > start })
  }
}

@Suite struct `The directory of webhook addresses` {
  private let source = ScriptedAddresses()
  private let time = ManualClock()
  private let directory: WebhookDirectory
  private let now = SharedTime()

  /// A time of day that is moved by hand.
  private final class SharedTime: Sendable {
    private let moment = Mutex(Timestamp(seconds: 1000))
    var clock: WallClock { WallClock { self.moment.withLock { $0 } } }
    func advance(by duration: Duration) { moment.withLock { $0 = $0 + duration } }
  }

  init() {
    directory = WebhookDirectory(
      source: source, clock: time.clock, wall: now.clock, logger: .silent)
  }

  private func found(_ store: String = "abc", isLive: Bool = true) throws -> WebhookAddressLookup {
    .found(
      WebhookAddress(installation: try .of(store), secretSHA256: [1, 2], isLive: isLive))
  }

  /// A lookup while polls go on.
  private func findWithPolls(_ token: String) async -> WebhookAddressLookup {
    let polling = Task { [directory] in
      while !Task.isCancelled {
        // A poll that fails is what some tests want.
        try? await directory.refreshNow()
        await Task.yield()
      }
    }
    defer { polling.cancel() }
    return await directory.find(.default, token)
  }

  @Test func `before the first poll nothing can be told`() async {
    #expect(await directory.find(.default, "a") == .cannotTell)
  }

  @Test func `what is known is answered at once, for its own app only`() async throws {
    try source.put("a")
    try await directory.refreshNow()
    #expect(await directory.find(.default, "a") == (try found()))
    let second = try #require(AppName("second"))
    #expect(await directory.find(second, "a") == .unknown)
    #expect(source.polls == 1)
  }

  @Test func `an unknown one waits for the next poll, and no longer`() async throws {
    try await directory.refreshNow()
    #expect(await findWithPolls("a") == .unknown)
    try source.put("b")
    #expect(await findWithPolls("b") == (try found()))
  }

  @Test func `a poll that was under way does not count`() async throws {
    try await directory.refreshNow()
    let gate = Gate()
    source.hold(at: gate)
    async let early: Void = directory.refreshNow()
    while source.polls < 2 { await Task.yield() }
    source.hold(at: nil)
    try source.put("a")
    async let answer = directory.find(.default, "a")
    // The early poll was asked before the address was there, and ends after the lookup began.
    await Task.yield()
    await gate.open()
    try await early
    let polls = findWithPolls
    #expect(await polls("a") == (try found()))
    #expect(await answer == (try found()))
  }

  @Test func `without the database what is known stays, and the rest cannot be told`() async throws
  {
    try source.put("a")
    try await directory.refreshNow()
    source.setDown(true)
    time.advance(by: .seconds(6))
    #expect(await directory.find(.default, "a") == (try found()))
    #expect(await directory.find(.default, "b") == .cannotTell)
    source.setDown(false)
    try await directory.refreshNow()
    #expect(await findWithPolls("b") == .unknown)
  }

  @Test func `a poll that fails tells nothing, though the last good one is fresh`() async throws {
    try await directory.refreshNow()
    source.setDown(true)
    #expect(await findWithPolls("a") == .cannotTell)
  }

  @Test func `a retired one is known until its time is over`() async throws {
    try source.put("a", until: Timestamp(seconds: 2000))
    try source.put("b", isLive: false, until: Timestamp(seconds: 2000))
    try await directory.refreshNow()
    #expect(await directory.find(.default, "a") == (try found()))
    #expect(await directory.find(.default, "b") == (try found(isLive: false)))
    now.advance(by: .seconds(1000))
    #expect(await directory.find(.default, "a") == .unknown)
  }

  @Test func `a restored backup replaces everything`() async throws {
    try source.put("a")
    try source.put("b")
    try await directory.refreshNow()
    source.restore()
    try await directory.refreshNow()
    #expect(directory.count == 1)
  }

  @Test func `only so many wait, and who goes away waits no longer`() async throws {
    try await directory.refreshNow()
    let limit = WebhookDirectory.mostWaiting
    await withTaskGroup(of: WebhookAddressLookup.self) { group in
      for _ in 0..<(limit + 5) {
        group.addTask { [directory] in await directory.find(.default, "x") }
      }
      var early: [WebhookAddressLookup] = []
      while early.count < 5, let answer = await group.next() { early.append(answer) }
      #expect(early.allSatisfy { $0 == .cannotTell })
      group.cancelAll()
      var rest = 0
      for await _ in group { rest += 1 }
      #expect(rest == limit)
    }
  }
}
