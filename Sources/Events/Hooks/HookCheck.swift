package import Base
package import BigCommerce
package import Logging
import Prometheus
package import Storage
package import Upstream

/// One look at one store's webhooks, and what is done about them.
package struct HookCheck: Sendable {
  /// After this no further call is begun; with the last one's own deadline it is less than a lease.
  private static let limit = Duration.seconds(40)
  /// How often the store is read again because it was not as was thought.
  private static let rounds = 3

  private let registration: WebhookRegistration
  private let addresses: WebhookAddresses
  private let states: WebhookStates
  private let stores: StoreDirectory
  private let directory: WebhookDirectory
  private let calls: HookCalls
  private let meter: HookMeter
  private let clock: MonotonicClock
  private let wall: WallClock
  private let logger: Logger

  package init(
    registration: WebhookRegistration, addresses: WebhookAddresses, states: WebhookStates,
    stores: StoreDirectory, directory: WebhookDirectory, calls: HookCalls, meter: HookMeter,
    clock: MonotonicClock = .system, wall: WallClock = .system, logger: Logger
  ) {
    self.registration = registration
    self.addresses = addresses
    self.states = states
    self.stores = stores
    self.directory = directory
    self.calls = calls
    self.meter = meter
    self.clock = clock
    self.wall = wall
    self.logger = logger
  }

  /// What is seen and done in a check, also when it breaks off.
  struct Course: Sendable {
    /// Ours, as they are by now.
    var hooks: [Int64: WebhookFact]?
    var unavailable: [String] = []
    var outages: [WebhookOutage] = []
    var changes = 0
    /// How long nothing is delivered to us.
    var blockedFor: Duration?
    var failure: HookFailure?
  }

  /// What would be done to a store's webhooks now; changes nothing, here or there.
  package func plan(_ installation: InstallationID) async throws(HookFailure) -> HookPlan {
    guard let app = registration.app(installation.app) else { throw .unknownApp }
    let store = try await store(installation)
    let known: InstallationAddresses?
    do throws(WebhookAddressError) { known = try await addresses.find(installation) } catch {
      throw HookFailure(error)
    }
    let admin = try await calls.admin(store)
    return HookPlan(
      desired: app.scopes, actual: try await calls.list(store),
      addresses: registration.addresses(of: app, known), deactivated: admin.deactivated,
      now: wall.now())
  }

  /// Does what the plan says, reading the store again when it was not as was thought.
  func carryOut(_ claim: WebhookClaim) async -> Course {
    var course = Course()
    do throws(HookFailure) {
      try await carryOut(claim, &course)
    } catch {
      course.failure = error
    }
    if course.failure == nil, !course.unavailable.isEmpty { course.failure = .noRoom }
    return course
  }

  private func carryOut(
    _ claim: WebhookClaim, _ course: inout Course
  ) async throws(HookFailure) {
    let installation = claim.installation
    guard let app = registration.app(installation.app) else { throw .unknownApp }
    guard let known = try await known(app, claim) else {
      // Nothing is wanted, and nothing of ours ever was there.
      course.hooks = [:]
      return
    }
    // An address that was just made is known here before BigCommerce can use it; the other replicas
    // poll within a second.
    do { try await directory.refreshNow() } catch { throw .database }
    let store = try await store(installation, since: claim.generation)
    let rules = registration.addresses(of: app, known.addresses)
    let end = clock.now() + Self.limit
    let admin = try await calls.admin(store)
    try await note(admin, at: installation, &course)
    for _ in 0..<Self.rounds {
      let actual = try await calls.list(store)
      let plan = HookPlan(
        desired: app.scopes, actual: actual, addresses: rules, deactivated: admin.deactivated,
        now: wall.now())
      course.hooks = Dictionary(
        actual.filter(rules.owns).map { ($0.id, WebhookFact($0)) },
        uniquingKeysWith: { first, _ in first })
      course.unavailable = plan.unavailable.map(\.text)
      var isAsThought = true
      for action in plan.actions {
        guard clock.now() < end else { throw .unfinished }
        isAsThought = try await carryOut(action, store, rules, &course) && isAsThought
      }
      if isAsThought { return }
    }
    throw .refused
  }

  /// - Returns: whether the platform took it.
  private func carryOut(
    _ action: HookAction, _ store: StoreEntry, _ rules: HookAddresses, _ course: inout Course
  ) async throws(HookFailure) -> Bool {
    if case .delete(let id) = action.kind {
      guard try await calls.delete(store, id) else { return false }
      course.hooks?[id] = nil
      note(action, .delete, store, &course)
      return true
    }
    guard let scope = HookScope(action.scope) else { throw .unreadable }
    let wanted = rules.registration(for: scope)
    let made: HookRecord?
    if let id = action.id {
      // Known before the call: an answer that gets lost must not hide the outage.
      course.note(action, isOver: false)
      made = try await calls.update(store, id, wanted)
    } else {
      made = try await calls.create(store, action.scope, wanted)
    }
    guard let made else { return false }
    course.hooks?[made.id] = WebhookFact(made)
    course.note(action, isOver: made.isActive)
    let change: HookMeter.Change =
      action.id == nil
      ? .create : action.isRevival ? .revive : action.reasons == [.silence] ? .touch : .update
    note(action, change, store, &course)
    return true
  }

  private func note(
    _ action: HookAction, _ change: HookMeter.Change, _ store: StoreEntry, _ course: inout Course
  ) {
    course.changes += 1
    meter.changes.count(change)
    logger.log(
      level: change == .revive ? .warning : .info, "a store's webhook was put right",
      metadata: [
        "app": "\(store.installation.app)", "store_hash": "\(store.installation.store)",
        "scope": "\(action.scope)", "change": "\(change.rawValue)",
        "reasons": "\(action.reasons.map(\.rawValue).joined(separator: " "))",
      ])
  }

  /// The installation's addresses, made where webhooks are wanted; `nil` when there is nothing to
  /// look for.
  private func known(
    _ app: WebhookRegistration.App, _ claim: WebhookClaim
  ) async throws(HookFailure) -> (addresses: InstallationAddresses?, Void)? {
    do throws(WebhookAddressError) {
      if !app.scopes.isEmpty { return (try await addresses.ensure(claim.installation), ()) }
      if let known = try await addresses.find(claim.installation) { return (known, ()) }
      return claim.isThorough ? (nil, ()) : nil
    } catch {
      throw HookFailure(error)
    }
  }

  /// The store's entry with its token; a store that is new here is looked for once more.
  private func store(
    _ installation: InstallationID, since generation: Generation = Generation(1)
  ) async throws(HookFailure) -> StoreEntry {
    if let entry = stores.current()?.store(installation), entry.state == .active,
      entry.generation >= generation
    {
      return entry
    }
    do { try await stores.refreshNow() } catch { throw .database }
    guard let entry = stores.current()?.store(installation), entry.state == .active else {
      throw .tokenUnusable
    }
    return entry
  }

  private func note(
    _ admin: HookAdmin, at installation: InstallationID, _ course: inout Course
  ) async throws(HookFailure) {
    let ours = admin.blockedDomains.filter { registration.isOurs($0.destination) }
    let longest = ours.max { $0.timeLeft < $1.timeLeft }
    meter.noteBlock(installation.app, for: longest?.timeLeft)
    guard let longest else { return }
    course.blockedFor = longest.timeLeft
    let isFirst: Bool
    do {
      isFirst = try await states.noteBlock(
        for: longest.timeLeft, destination: longest.destination, reasons: longest.reasons,
        seenAt: installation)
    } catch { throw .database }
    guard isFirst else { return }
    logger.critical(
      "BigCommerce delivers no webhooks to us for a while, because too many failed",
      metadata: [
        "app": "\(installation.app)", "destination": "\(longest.destination)",
        "seconds_left": "\(longest.timeLeft.components.seconds)",
        "reasons": "\(longest.reasons.joined(separator: "; "))",
      ])
  }
}

extension HookCheck.Course {
  /// Remembers what was off, and whether it is on again.
  fileprivate mutating func note(_ action: HookAction, isOver: Bool) {
    guard action.isRevival, let id = action.id else { return }
    outages.removeAll { $0.id == id }
    outages.append(
      WebhookOutage(
        id: id, scope: action.scope, byPlatform: action.reasons.contains(.deactivated),
        since: action.offSince, isOver: isOver))
  }
}

extension WebhookFact {
  fileprivate init(_ hook: HookRecord) {
    self.init(id: hook.id, scope: hook.scope, isActive: hook.isActive)
  }
}

extension HookFailure {
  init(_ error: WebhookAddressError) {
    self =
      switch error {
      case .database: .database
      case .vault: .secretUnusable
      case .notInstalled: .tokenUnusable
      }
  }
}
