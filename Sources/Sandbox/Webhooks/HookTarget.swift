import Base

/// A webhook as the sender sees it.
final class HookTarget: Sendable {
  let id: Int64
  let clientID: String
  let scope: String
  let destination: String
  /// `nil` when the destination is no address that can be called.
  let target: OutboundTarget?
  let headers: [(name: String, value: String)]
  let isActive: Bool
  /// From then on it hears of events, once the platform has taken notice of it.
  let created: Timestamp

  init(_ hook: JSONValue) {
    id = hook["id"]?.integer ?? 0
    clientID = hook["client_id"]?.string ?? ""
    scope = hook["scope"]?.string ?? ""
    destination = hook["destination"]?.string ?? ""
    target = OutboundTarget(destination)
    headers = (hook["headers"]?.members ?? []).map { ($0.name, $0.value.string ?? "") }
    isActive = hook["is_active"]?.bool ?? false
    created = Timestamp(seconds: hook["created_at"]?.integer ?? 0)
  }
}

/// What the platform remembers of a webhook beside its registration.
struct HookUse: Sendable {
  /// When an event was last meant for it, or when it was last switched on.
  var lastEvent: Timestamp
  /// Whether the platform has switched it off.
  var isDeactivated = false
  /// What came of the last attempt: a status, or the name of a failure.
  var lastOutcome = ""
}

extension StoreData {
  /// Time without events after which a webhook is switched off.
  static let idleLimit: Duration = .seconds(90 * 86400)

  /// The webhooks in a form that is quick to go through.
  mutating func hookTargets() -> [HookTarget] {
    if let known = knownHookTargets { return known }
    let targets = hooks.rows.map(HookTarget.init)
    knownHookTargets = targets
    return targets
  }

  mutating func hookTarget(_ id: Int64) -> HookTarget? {
    hookTargets().first { $0.id == id }
  }

  /// The active webhooks that hear of this, which counts as an event for each of them.
  mutating func listeners(to scope: String, at now: Timestamp) -> [HookTarget] {
    guard !hooks.rows.isEmpty else { return [] }
    let heard = hookTargets().filter { $0.isActive && WebhookScope.covers($0.scope, scope) }
    return heard.filter { hook in
      guard !deactivateIfIdle(hook, at: now) else { return false }
      hookUse[hook.id, default: HookUse(lastEvent: now)].lastEvent = now
      return true
    }
  }

  /// Switches off every webhook that had no event for 90 days.
  mutating func deactivateIdleHooks(at now: Timestamp) {
    for hook in hookTargets() where hook.isActive { _ = deactivateIfIdle(hook, at: now) }
  }

  private mutating func deactivateIfIdle(_ hook: HookTarget, at now: Timestamp) -> Bool {
    let last = hookUse[hook.id]?.lastEvent ?? hook.created
    guard now - last >= StoreData.idleLimit else { return false }
    return deactivateHook(hook.id, at: now)
  }

  /// Puts a webhook's last event back by so many days, and switches it off if that is too long ago.
  mutating func age(hook id: Int64, days: Int64, at now: Timestamp) {
    let last = hookUse[id]?.lastEvent ?? hookTarget(id)?.created ?? now
    hookUse[id, default: HookUse(lastEvent: now)].lastEvent = last - .seconds(days * 86400)
    deactivateIdleHooks(at: now)
  }

  /// Switches a webhook off as the platform does; whether it was on.
  @discardableResult
  mutating func deactivateHook(_ id: Int64, at now: Timestamp) -> Bool {
    guard let hook = hooks[id], hook["is_active"] == true else { return false }
    hooks.replace(
      id,
      with: hook.setting("is_active", false).setting("updated_at", .integer(now.seconds)))
    hookUse[id, default: HookUse(lastEvent: now)].isDeactivated = true
    answers.clear()
    return true
  }

  /// Notes that someone has switched a webhook on or off.
  mutating func noteSwitch(ofHook id: Int64, at now: Timestamp) {
    hookUse[id, default: HookUse(lastEvent: now)].lastEvent = now
    hookUse[id]?.isDeactivated = false
  }
}
