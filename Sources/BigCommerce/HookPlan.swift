package import Base

/// One change of a store's webhooks, and why.
package struct HookAction: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case create
    case update(id: Int64)
    case delete(id: Int64)
  }

  package enum Reason: String, CaseIterable, Hashable, Sendable {
    /// Nothing of ours listens to the scope.
    case missing
    /// It leads to another place than it should.
    case destination
    /// It does not bring the secret.
    case headers
    /// It was switched off.
    case inactive
    /// The platform itself switched it off; what happened since was not delivered.
    case deactivated
    /// It is so old that the platform may soon switch it off for silence.
    case silence
    /// Nobody wants its scope any more.
    case unwanted
    /// Another one of ours does the same.
    case duplicate
  }

  package let kind: Kind
  package let scope: String
  /// Never empty.
  package let reasons: [Reason]
  /// Since when the webhook has been off, as far as is known.
  package let offSince: Timestamp?

  package init(
    _ kind: Kind, scope: String, reasons: [Reason], offSince: Timestamp? = nil
  ) {
    self.kind = kind
    self.scope = scope
    self.reasons = reasons
    self.offSince = offSince
  }

  /// The webhook that is changed; `nil` for one that is to be made.
  package var id: Int64? {
    switch kind {
    case .create: nil
    case .update(let id), .delete(let id): id
    }
  }

  package var word: String {
    switch kind {
    case .create: "create"
    case .update: "update"
    case .delete: "delete"
    }
  }
}

/// What has to be done so that a store's webhooks are as they should be.
///
/// Pure, and at rest once carried out: the plan for what the plan makes is empty.
package struct HookPlan: Hashable, Sendable {
  /// The platform takes no more for one store, app and scope.
  package static let mostPerScope = 10
  /// The platform switches off what had no event for 90 days; this much earlier it is touched.
  package static let touchedAfter = Duration.seconds(75 * 86400)

  /// In the order in which to carry them out: what is off first, what is missing before anything
  /// is removed.
  package let actions: [HookAction]
  /// Wanted scopes for which the platform has no place left, because others' webhooks have it.
  package let unavailable: [HookScope]

  /// - Parameters:
  ///   - desired: wanted scopes; while there is any, so is what we need ourselves.
  ///   - actual: all webhooks that the store's token sees.
  ///   - addresses: where ours should lead.
  ///   - deactivated: IDs that the platform says it has switched off itself.
  ///   - now: by the platform's clock.
  package init(
    desired: [HookScope], actual: [HookRecord], addresses: HookAddresses,
    deactivated: Set<Int64> = [], now: Timestamp
  ) {
    let wanted = HookPlan.wanted(desired)
    var updates: [HookAction] = []
    var creations: [HookAction] = []
    var deletions: [HookAction] = []
    var unavailable: [HookScope] = []
    let ours = actual.filter(addresses.owns)
    for scope in wanted {
      let candidates = ours.filter { $0.scope == scope.text }
      guard let kept = HookPlan.best(candidates, scope, addresses) else {
        if HookPlan.hasRoom(for: scope, among: actual) {
          creations.append(HookAction(.create, scope: scope.text, reasons: [.missing]))
        } else {
          unavailable.append(scope)
        }
        continue
      }
      let reasons = HookPlan.reasons(
        to: kept, addresses.registration(for: scope), deactivated, now)
      if !reasons.isEmpty {
        updates.append(
          HookAction(
            .update(id: kept.id), scope: scope.text, reasons: reasons,
            offSince: kept.isActive ? nil : kept.updatedAt))
      }
      deletions += candidates.filter { $0.id != kept.id }.map {
        HookAction(.delete(id: $0.id), scope: $0.scope, reasons: [.duplicate])
      }
    }
    let names = Set(wanted.map(\.text))
    deletions += ours.filter { !names.contains($0.scope) }.map {
      HookAction(.delete(id: $0.id), scope: $0.scope, reasons: [.unwanted])
    }
    let (off, on) = (updates.filter(\.isRevival), updates.filter { !$0.isRevival })
    actions = off + on + creations + deletions
    self.unavailable = unavailable
  }

  /// The scopes to register: each once, none that another covers; and what we need to know ourselves,
  /// failed deliveries and the end of the store.
  package static func wanted(_ desired: [HookScope]) -> [HookScope] {
    desired.isEmpty
      ? [] : HookScope.withoutCovered(desired + [.deliveryException, .appUninstalled])
  }

  /// The one to keep: what leads where it should, then what leads to the right token, then the
  /// oldest.
  private static func best(
    _ candidates: [HookRecord], _ scope: HookScope, _ addresses: HookAddresses
  ) -> HookRecord? {
    let destination = addresses.registration(for: scope).destination
    func rank(_ hook: HookRecord) -> (Int, Int64) {
      let place =
        hook.destination == destination ? 0 : addresses.leadsToCurrent(hook) ? 1 : 2
      return (place, hook.id)
    }
    return candidates.min { rank($0) < rank($1) }
  }

  private static func reasons(
    to hook: HookRecord, _ wanted: HookAddresses.Registration, _ deactivated: Set<Int64>,
    _ now: Timestamp
  ) -> [HookAction.Reason] {
    var reasons: [HookAction.Reason] = []
    if hook.destination != wanted.destination { reasons.append(.destination) }
    let isRight =
      hook.headers.count == 1 && hook.headers[0].value == wanted.header.value
      && hook.headers[0].name.lowercased() == wanted.header.name.lowercased()
    if !isRight { reasons.append(.headers) }
    if !hook.isActive { reasons.append(deactivated.contains(hook.id) ? .deactivated : .inactive) }
    if reasons.isEmpty, let touched = hook.updatedAt ?? hook.createdAt, now - touched > touchedAfter
    {
      reasons.append(.silence)
    }
    return reasons
  }

  /// Whether the platform would take another one of that scope.
  private static func hasRoom(for scope: HookScope, among actual: [HookRecord]) -> Bool {
    let others = actual.count { $0.scope == scope.text }
    return others < (scope == .deliveryException ? 1 : mostPerScope)
  }
}

extension HookAction {
  /// Whether it switches on what was off.
  package var isRevival: Bool { reasons.contains(.inactive) || reasons.contains(.deactivated) }
}
