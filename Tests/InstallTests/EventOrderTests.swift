import Base
import Postgres
import Testing

@testable import Install

/// The rules of 3.1 to 3.3, told once more without a database: what five events come to in any
/// order.
private struct RuleTable {
  enum Event: CaseIterable {
    /// Authorized at 0, 300.
    case install, reinstall
    /// Issued at 200.
    case uninstall
    /// Of user 9, issued at 250.
    case removeUser
    /// A load of user 9, issued at 100, replayed.
    case load
  }

  var authorizedAt: Int64?
  var isInstalled = false
  var generation: Int64 = 0
  var isUninstallKnown = false
  var isUserRemoved = false

  /// - Returns: whether the event is answered with success to whoever sent it.
  mutating func take(_ event: Event) -> Bool {
    switch event {
    case .install, .reinstall:
      let moment: Int64 = event == .install ? 0 : 300
      if isUninstallKnown && 200 > moment + 5 { return false }
      authorizedAt = moment
      isInstalled = true
      generation += 1
      return true
    case .uninstall:
      isUninstallKnown = true
      if let authorizedAt, 200 + 5 >= authorizedAt { isInstalled = false }
      return true
    case .removeUser:
      isUserRemoved = true
      return true
    case .load:
      return isInstalled && !isUserRemoved && 100 + 5 >= (authorizedAt ?? 0)
    }
  }
}

@Suite struct `Order of callbacks` {
  @Test func `all 120 orders of five events end as the rules say, and a replay changes nothing`()
    async throws
  {
    try await Deployment.with { deployment in
      deployment.clock.set(Deployment.start + 1000)
      deployment.login.script { request in
        let offset: Int64 = request.code.hasPrefix("install") ? 0 : 300
        return LoginServer.grant(request, date: HTTPDates.text(Deployment.start + offset))
      }
      let orders = Array(permutations(RuleTable.Event.allCases).enumerated())
      try await withThrowingTaskGroup(of: Void.self) { group in
        for share in 0..<6 {
          group.addTask {
            for (number, order) in orders where number % 6 == share {
              try await check(order, "store\(number)", deployment)
            }
          }
        }
        try await group.waitForAll()
      }
      // Each code was exchanged once, replays included.
      #expect(deployment.login.requests.count == 240)
    }
  }

  private func check(
    _ order: [RuleTable.Event], _ store: String, _ deployment: Deployment
  ) async throws {
    var rules = RuleTable()
    for event in order {
      let answer = try await send(event, store, deployment)
      #expect((answer.status < 400) == rules.take(event), "\(order) at \(event)")
    }
    for event in [RuleTable.Event.uninstall, .removeUser, .load, .install, .reinstall] {
      let answer = try await send(event, store, deployment)
      if event == .load { #expect(answer.status >= 400, "\(order): a session by replay") }
    }
    let stored = try await deployment.stored(store)
    #expect(
      stored?.state == (rules.isInstalled ? "active" : stored == nil ? nil : "uninstalled"))
    #expect((stored?.generation ?? 0) == rules.generation, "\(order)")
    #expect((stored?.token != nil) == rules.isInstalled, "\(order)")
  }

  private func send(
    _ event: RuleTable.Event, _ store: String, _ deployment: Deployment
  ) async throws -> CallbackAnswer {
    var signed = deployment.signed("\(event)-\(store)")
    signed.store = store
    signed.userID = 9
    switch event {
    case .install: return try await deployment.install("install-\(store)", store: store)
    case .reinstall: return try await deployment.install("reinstall-\(store)", store: store)
    case .uninstall:
      signed.issuedAt = Timestamp(seconds: Deployment.start + 200)
      return try await deployment.uninstall(signed)
    case .removeUser:
      signed.issuedAt = Timestamp(seconds: Deployment.start + 250)
      return try await deployment.removeUser(signed)
    case .load:
      signed.issuedAt = Timestamp(seconds: Deployment.start + 100)
      return try await deployment.load(signed)
    }
  }
}

private func permutations<T>(_ items: [T]) -> [[T]] {
  guard let first = items.first else { return [[]] }
  return permutations(Array(items.dropFirst())).flatMap { rest in
    (0...rest.count).map { index in
      var order = rest
      order.insert(first, at: index)
      return order
    }
  }
}

/// Writes `Date` headers.
enum HTTPDates {
  static func text(_ seconds: Int64) -> String {
    let iso = "\(Timestamp(seconds: seconds))"
    let parts = iso.split(whereSeparator: { "-T:.Z".contains($0) })
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let month = months[(Int(parts[1]) ?? 1) - 1]
    return "Thu, \(parts[2]) \(month) \(parts[0]) \(parts[3]):\(parts[4]):\(parts[5]) GMT"
  }
}
