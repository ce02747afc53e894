package import Base
package import BigCommerce
package import Fields
package import HTTPTypes
import Storage
package import Upstream

/// What a decision about a call needs to know of the request.
package struct CallFacts: Sendable {
  package let method: HTTPRequest.Method
  package let target: String
  package let headers: FieldSection
  /// `nil` when the body's length is not known beforehand.
  package let contentLength: Int?
  /// The ID of a key that has been checked; `nil`: it is in the headers.
  package let keyID: String?

  package init(
    method: HTTPRequest.Method, target: String, headers: FieldSection, contentLength: Int?,
    keyID: String? = nil
  ) {
    self.method = method
    self.target = target
    self.headers = headers
    self.contentLength = contentLength
    self.keyID = keyID
  }
}

/// A call that may be made.
package final class CallPlan: Sendable {
  package let target: Target
  package let controls: Controls
  package let store: StoreEntry
  package let token: Secret<String>
  package let key: KeyEntry

  /// The ID of the caller's key.
  package var caller: String { key.id }
  /// What the call asks of the store's quota.
  package let demand: QuotaDemand
  /// The write that the call is, if it has an `Idempotency-Key`.
  let keyed: KeyedCall?

  init(
    target: Target, controls: Controls, store: StoreEntry, token: Secret<String>, key: KeyEntry,
    demand: QuotaDemand, keyed: KeyedCall?
  ) {
    self.target = target
    self.controls = controls
    self.store = store
    self.token = token
    self.key = key
    self.demand = demand
    self.keyed = keyed
  }
}

/// A call that is to have its effect once.
struct KeyedCall: Sendable {
  let key: IdempotencyKey
  /// The ID of the caller's first key, which those after it took the place of.
  let caller: String
}

extension QuotaDemand {
  /// What a call of that caller asks of its store's quota.
  init(caller: String, method: HTTPRequest.Method, target: Target, controls: Controls) {
    self.init(
      caller: caller,
      family: EndpointFamilies.shared.family(method: method, path: target.resourcePath),
      priority: controls.priority, maxWait: controls.maxWait)
  }
}

/// Whether a call is made, and if not, the answer.
package enum Decision: Sendable {
  case call(CallPlan)
  case refuse(Problem)
  /// The caller asked what would be decided.
  case explain(DryRun)
}

/// The gateway's rules in DESIGN's order of refusals, as a pure function of the request and a
/// snapshot, in which only the use of the caller's key is noted.
package struct DecisionRules: Sendable {
  /// The apps of this deployment.
  package let apps: [AppName]
  package let maxBody: ByteCount
  private let endpoints: EndpointTable

  package init(
    apps: [AppName], maxBody: ByteCount = .mebibytes(64), endpoints: EndpointTable = .shared
  ) {
    self.apps = apps
    self.maxBody = maxBody
    self.endpoints = endpoints
  }

  /// Decides about one call; `now` is compared with the expiry of keys.
  package func decide(
    _ facts: CallFacts, _ snapshot: DirectorySnapshot, now: Timestamp
  ) -> Decision {
    var subject = RequestSubject()
    return decide(facts, snapshot, now: now, &subject)
  }

  /// The same; `subject` says whom the call is about and who makes it, as far as the decision came.
  func decide(
    _ facts: CallFacts, _ snapshot: DirectorySnapshot, now: Timestamp,
    _ subject: inout RequestSubject
  ) -> Decision {
    var trace: CallTrace?
    do throws(Problem) {
      let plan = try plan(facts, snapshot, now, &trace, &subject)
      return trace.map { .explain(DryRun(trace: $0, refusal: nil)) } ?? .call(plan)
    } catch {
      return trace.map { .explain(DryRun(trace: $0, refusal: error)) } ?? .refuse(error)
    }
  }

  private func plan(
    _ facts: CallFacts, _ snapshot: DirectorySnapshot, _ now: Timestamp,
    _ trace: inout CallTrace?, _ subject: inout RequestSubject
  ) throws(Problem) -> CallPlan {
    let caller = try self.caller(facts, snapshot, now)
    subject.caller = caller.id
    subject.app = caller.grant.app
    let target = try self.target(facts)
    subject.store = target.store
    let controls = try self.controls(facts)
    if controls.isDryRun {
      trace = CallTrace(
        method: facts.method, target: target, controls: controls, key: caller)
    }
    let app = try self.app(caller, controls)
    trace?.app = app
    subject.app = app
    let entry = snapshot.store(InstallationID(app: app, store: target.store))
    let rule = try checkGrant(
      caller, facts.method, target, labels: entry?.labels ?? [], &trace)
    trace?.store = entry
    let (store, token) = try usable(entry)
    if let rule, rule.isAuthoritative, !rule.isMet(by: store.scopes) {
      throw .scopeMissing(rule, granted: store.scopes)
    }
    try checkBody(facts)
    let keyed = try keyed(facts, controls, caller, snapshot)
    return CallPlan(
      target: target, controls: controls, store: store, token: token, key: caller,
      demand: QuotaDemand(
        caller: caller.id, method: facts.method, target: target, controls: controls),
      keyed: keyed)
  }

  /// `nil` for reads, which may be repeated anyway, and for calls without a key.
  private func keyed(
    _ facts: CallFacts, _ controls: Controls, _ caller: KeyEntry, _ snapshot: DirectorySnapshot
  ) throws(Problem) -> KeyedCall? {
    guard let key = controls.idempotencyKey, facts.method.isWrite else { return nil }
    guard let length = facts.contentLength, length <= IdempotencyKey.largestBody.bytes else {
      throw .bodyNotReplayable
    }
    return KeyedCall(key: key, caller: snapshot.firstKey(of: caller))
  }

  private func caller(
    _ facts: CallFacts, _ snapshot: DirectorySnapshot, _ now: Timestamp
  ) throws(Problem) -> KeyEntry {
    if let id = facts.keyID {
      guard let key = snapshot.caller(id: id, at: now) else { throw .keyInvalid }
      return key
    }
    guard let presented = CallerKey.read(facts.headers),
      let key = snapshot.caller(presented, at: now)
    else { throw .keyInvalid }
    return key
  }

  private func target(_ facts: CallFacts) throws(Problem) -> Target {
    do throws(TargetFault) {
      let target = try Target(parsing: facts.target)
      let allowed = target.surface == .graphql ? [.post] : DecisionRules.methods
      guard allowed.contains(facts.method) else {
        throw .method(allowed: allowed.map(\.rawValue).sorted())
      }
      return target
    } catch {
      throw error.problem
    }
  }

  private func controls(_ facts: CallFacts) throws(Problem) -> Controls {
    do throws(ControlFault) {
      return try Controls(facts.headers)
    } catch {
      throw error.problem
    }
  }

  /// The app of a key; a key for all apps says which it means, unless there is one only or one
  /// named `default`.
  private func app(_ caller: KeyEntry, _ controls: Controls) throws(Problem) -> AppName {
    if let own = caller.grant.app {
      guard controls.app == nil || controls.app == own else {
        throw .missing(app: controls.app ?? own)
      }
      return own
    }
    if let named = controls.app {
      guard apps.contains(named) else { throw unclearApp.problem }
      return named
    }
    if apps.count == 1 { return apps[0] }
    guard apps.contains(.default) else { throw unclearApp.problem }
    return .default
  }

  private var unclearApp: ControlFault {
    ControlFault(.latchkeyApp, "must be one of: \(apps.map(\.text).joined(separator: ", "))")
  }

  /// The caller's grant: ability, store, method, path, scopes.
  ///
  /// An unknown store has no labels, so that who is granted stores by label is told the same of it
  /// as of a store without that label.
  /// - Returns: the endpoint's rule; `nil` where BigCommerce alone decides.
  private func checkGrant(
    _ caller: KeyEntry, _ method: HTTPRequest.Method, _ target: Target, labels: Set<StoreLabel>,
    _ trace: inout CallTrace?
  ) throws(Problem) -> EndpointRule? {
    var rule: EndpointRule?
    let ability: Ability
    if target.surface == .graphql {
      ability = .proxyGraphQL
    } else {
      rule = endpoints.rule(method: method, path: target.resourcePath).flatMap {
        $0.isUnlisted ? nil : $0
      }
      ability = rule == nil ? .proxyUnlisted : .proxy
    }
    trace?.ability = ability
    trace?.rule = rule
    // Asked where it lies: a copy of a grant is a dozen references.
    guard caller.grant.allows(ability) else { throw .missing(ability: ability) }
    guard caller.grant.allows(store: target.store, labelled: labels) else {
      throw .missing(store: target.store)
    }
    guard caller.grant.allows(method) else { throw .missing(method: method) }
    guard caller.grant.allows(path: target.resourcePath) else {
      throw .missing(path: target.resourcePath)
    }
    if let rule, !caller.grant.allows(rule) { throw .missing(grantFor: rule) }
    trace?.mayCall = true
    return rule
  }

  private func usable(_ store: StoreEntry?) throws(Problem) -> (StoreEntry, Secret<String>) {
    guard let store else { throw .storeUnknown }
    switch store.state {
    case .active: break
    case .suspended: throw .storeSuspended
    case .revoked: throw .storeRevoked
    case .uninstalled: throw .storeUninstalled
    }
    switch store.token {
    case .open(let token): return (store, token)
    case .absent: throw .storeUninstalled
    case .unreadable: throw .tokenUnreadable
    }
  }

  private func checkBody(_ facts: CallFacts) throws(Problem) {
    if let length = facts.contentLength {
      guard length <= maxBody.bytes else { throw .bodyTooLarge(maxBody) }
    }
    guard facts.method != .head || facts.contentLength == 0 else { throw .headBody }
  }

  private static let methods: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete]
}
