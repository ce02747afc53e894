import Base
import BigCommerce
import TestSupport
import Testing

@Suite struct `The plan for a store's webhooks` {
  private static let now = Timestamp(seconds: 1_800_000_000)
  private static let header = HookRecord.Header("X-Latchkey-Webhook-Secret", "s3cret")
  private static let ours = "https://app.example.com/webhooks/default/"

  private func addresses(exceptions: String? = nil) throws -> HookAddresses {
    HookAddresses(
      app: .default, clientID: "ours", origin: try #require(Origin("https://app.example.com")),
      exceptionsOrigin: exceptions.flatMap { Origin($0) }, current: "current", header: Self.header,
      accepted: ["before"])
  }

  private func hook(
    _ id: Int64, _ scope: String, _ token: String = "current", isActive: Bool = true,
    headers: [HookRecord.Header] = [header], client: String? = "ours", age: Int64 = 0
  ) -> HookRecord {
    HookRecord(
      id: id, clientID: client, scope: scope,
      destination: token.contains(":") ? token : Self.ours + token, isActive: isActive,
      headers: headers, createdAt: Self.now - .seconds(age), updatedAt: Self.now - .seconds(age))
  }

  private func plan(
    _ desired: [String], _ actual: [HookRecord], deactivated: Set<Int64> = []
  ) throws -> HookPlan {
    // What tells of the end of the store stands everywhere, and is looked at in a test of its own.
    let gone = desired.isEmpty ? [] : [hook(9000, "store/app/uninstalled")]
    return HookPlan(
      desired: desired.compactMap { HookScope($0) }, actual: actual + gone,
      addresses: try addresses(), deactivated: deactivated, now: Self.now)
  }

  @Test func `wants to know of the end of the store, while it wants anything`() throws {
    let order = try #require(HookScope("store/order/*"))
    #expect(
      HookPlan.wanted([order]).map(\.text) == [
        "store/app/uninstalled", exceptions, "store/order/*",
      ])
    #expect(HookPlan.wanted([]).isEmpty)
    let all = try #require(HookScope("store/app/*"))
    #expect(HookPlan.wanted([all]).map(\.text) == ["store/app/*", exceptions])
  }

  private let exceptions = "store/hook/deliveryException"

  @Test func `makes what is missing, and one for failed deliveries on a path of its own`() throws {
    #expect(
      try plan(["store/order/*"], []).actions == [
        HookAction(.create, scope: exceptions, reasons: [.missing]),
        HookAction(.create, scope: "store/order/*", reasons: [.missing]),
      ])
    let scope = HookScope.deliveryException
    #expect(
      try addresses().registration(for: scope).destination == Self.ours + "current/exceptions")
    #expect(
      try addresses(exceptions: "https://other.example.com").registration(for: scope).destination
        == "https://other.example.com/webhooks/default/current/exceptions")
  }

  @Test func `wants nothing when nothing is wanted, and removes what was`() throws {
    #expect(try plan([], []).actions.isEmpty)
    #expect(
      try plan([], [hook(1, "store/order/*"), hook(2, exceptions, "current/exceptions")])
        .actions.map(\.kind) == [.delete(id: 1), .delete(id: 2)])
  }

  @Test func `puts right place, headers and switch, what is off first`() throws {
    let actual = [
      hook(1, "store/a/x", "before"), hook(2, "store/b/x", headers: []),
      hook(3, "store/c/x", isActive: false, age: 500), hook(4, exceptions, "current/exceptions"),
      hook(5, "store/d/x", isActive: false, age: 300),
    ]
    let made = try plan(["a/x", "b/x", "c/x", "d/x"], actual, deactivated: [3])
    #expect(
      made.actions == [
        HookAction(
          .update(id: 3), scope: "store/c/x", reasons: [.deactivated],
          offSince: Self.now - .seconds(500)),
        HookAction(
          .update(id: 5), scope: "store/d/x", reasons: [.inactive],
          offSince: Self.now - .seconds(300)),
        HookAction(.update(id: 1), scope: "store/a/x", reasons: [.destination]),
        HookAction(.update(id: 2), scope: "store/b/x", reasons: [.headers]),
      ])
  }

  @Test func `touches what the platform may soon switch off for silence`() throws {
    let fresh = hook(1, "store/a/x", age: 74 * 86400)
    let old = hook(2, "store/b/x", age: 76 * 86400)
    let actual = [fresh, old, hook(4, exceptions, "current/exceptions")]
    #expect(
      try plan(["a/x", "b/x"], actual).actions == [
        HookAction(.update(id: 2), scope: "store/b/x", reasons: [.silence])
      ])
  }

  @Test func `leaves alone what belongs to others, also when it stands in the way`() throws {
    let elsewhere = hook(1, "store/a/x", "https://other.example.com/hooks")
    let neighbour = hook(2, "store/a/x", "https://app.example.com/webhooks/second/current2")
    let stranger = hook(3, "store/b/x", "stale", client: "theirs")
    let exception = hook(4, exceptions, "https://other.example.com/failed")
    let made = try plan([], [elsewhere, neighbour, stranger, exception])
    #expect(made.actions.isEmpty)
    let full = (10..<20).map { hook($0, "store/a/x", "https://other.example.com/\($0)") }
    let crowded = try plan(["a/x"], full + [exception])
    #expect(crowded.actions.isEmpty)
    #expect(crowded.unavailable.map(\.text) == ["store/a/x", exceptions])
  }

  @Test func `knows its own by the path, whichever origin and client made it`() throws {
    let moved = hook(1, "store/a/x", "https://old.example.com/webhooks/default/current")
    let imported = hook(2, "store/b/x", client: "api-account")
    let actual = [moved, imported, hook(3, exceptions, "current/exceptions")]
    #expect(
      try plan(["a/x", "b/x"], actual).actions == [
        HookAction(.update(id: 1), scope: "store/a/x", reasons: [.destination])
      ])
  }

  @Test func `keeps one of several that do the same`() throws {
    let actual = [
      hook(1, "store/a/x", "before"), hook(2, "store/a/x"), hook(3, "store/a/x", "lost"),
      hook(4, exceptions, "current/exceptions"),
    ]
    #expect(
      try plan(["a/x"], actual).actions == [
        HookAction(.delete(id: 1), scope: "store/a/x", reasons: [.duplicate]),
        HookAction(.delete(id: 3), scope: "store/a/x", reasons: [.duplicate]),
      ])
  }

  // Properties: whatever a store has, one plan is enough, and nobody else's webhook is touched.

  @Test func `is at rest once carried out, within the platform's limits`() throws {
    var random = SeededGenerator()
    let seed = random.seed
    for _ in 0..<count(ordinary: 2000, full: 50_000) {
      let places = ["store/a/x", "store/a/*", "store/b/x", "store/cart/lineItem/*", exceptions]
      let desired = places.dropLast().filter { _ in Bool.random(using: &random) }
        .compactMap { HookScope($0) }
      var actual: [HookRecord] = []
      for id in 0..<Int64.random(in: 0...14, using: &random) {
        guard let scope = places.randomElement(using: &random),
          let token = [
            "current", "before", "lost", "current/exceptions", "https://other.example.com/\(id)",
          ].randomElement(using: &random)
        else { continue }
        let isTaken = actual.contains {
          $0.scope == scope && $0.destination.hasSuffix("/" + token)
        }
        if isTaken || scope == exceptions && actual.contains(where: { $0.scope == exceptions }) {
          continue
        }
        actual.append(
          hook(
            id, scope, token, isActive: .random(using: &random),
            headers: Bool.random(using: &random) ? [Self.header] : [],
            client: ["ours", "theirs", nil].randomElement(using: &random) ?? nil,
            age: .random(in: 0...(100 * 86400), using: &random)))
      }
      let addresses = try addresses()
      let first = HookPlan(
        desired: desired, actual: actual, addresses: addresses, now: Self.now)
      let after = carryOut(first, on: actual, addresses)
      let second = HookPlan(
        desired: desired, actual: after, addresses: addresses, now: Self.now)
      #expect(second.actions.isEmpty, "seed \(seed)")
      let foreign = actual.filter { !addresses.owns($0) }
      #expect(foreign.allSatisfy(after.contains), "seed \(seed)")
      for (scope, hooks) in Dictionary(grouping: after, by: \.scope) {
        #expect(hooks.count <= 10 || hooks.count <= actual.count { $0.scope == scope })
        #expect(Set(hooks.map(\.destination)).count == hooks.count, "seed \(seed)")
      }
      for scope in HookPlan.wanted(desired) where !second.unavailable.contains(scope) {
        #expect(
          after.contains {
            $0.scope == scope.text && $0.isActive && $0.headers == [Self.header]
              && $0.destination == addresses.registration(for: scope).destination
          }, "seed \(seed)")
      }
    }
  }

  /// What the platform does when it is asked for that.
  private func carryOut(
    _ plan: HookPlan, on actual: [HookRecord], _ addresses: HookAddresses
  ) -> [HookRecord] {
    var hooks = actual
    for action in plan.actions {
      guard let scope = HookScope(action.scope) else { continue }
      let wanted = addresses.registration(for: scope)
      func made(_ id: Int64) -> HookRecord {
        HookRecord(
          id: id, clientID: "ours", scope: action.scope, destination: wanted.destination,
          headers: [wanted.header], createdAt: Self.now, updatedAt: Self.now)
      }
      switch action.kind {
      case .create: hooks.append(made(1000 + Int64(hooks.count)))
      case .update(let id): hooks = hooks.map { $0.id == id ? made(id) : $0 }
      case .delete(let id): hooks.removeAll { $0.id == id }
      }
    }
    return hooks
  }
}
