import Base
import Linux
import NIOCore
import Reactor
import Synchronization

/// What all connections of a pool know about reaching the server.
final class ConnectKnowledge: Sendable {
  let parameters: ConnectionParameters
  let settings: DatabaseSettings
  let resolver = NameResolver()
  private let memory = Mutex(Memory())

  private struct Memory {
    /// Endpoints that did not answer in time, and until when they are tried last.
    var silent: [Endpoint: NIODeadline] = [:]
    /// How often in a row a server took a connection only without our settings.
    var refusals = 0
  }

  /// How long an endpoint that did not answer is tried last.
  private static let silencePenalty = TimeAmount.seconds(30)

  init(_ parameters: ConnectionParameters, _ settings: DatabaseSettings) {
    self.parameters = parameters
    self.settings = settings
  }

  /// What to try in this order; `prefer-standby` tries everything twice, as libpq does.
  func steps(now: NIODeadline) -> [ConnectAttempt.Step] {
    let silent = memory.withLock { $0.silent.filter { $0.value > now } }
    let endpoints =
      parameters.endpoints.filter { silent[$0] == nil }
      + parameters.endpoints.filter { silent[$0] != nil }
    let wanted = parameters.targetSession
    let sessions = wanted == "prefer-standby" ? ["standby", "any"] : [wanted]
    return sessions.flatMap { session in
      endpoints.map { .resolve($0, session: session) }
    }
  }

  /// Whether servers, or a pooler before them, take our settings.
  var offersSettings: Bool { memory.withLock { $0.refusals < 3 } }

  func settingsWere(accepted: Bool) {
    memory.withLock { $0.refusals = accepted ? 0 : $0.refusals + 1 }
  }

  func didNotAnswer(_ endpoint: Endpoint, now: NIODeadline) {
    memory.withLock { $0.silent[endpoint] = now + Self.silencePenalty }
  }
}

/// The way to one established connection; used on the connection's loop only.
final class ConnectAttempt {
  /// One thing to try.
  enum Step {
    case resolve(Endpoint, session: String)
    case connect(Target, session: String, withSettings: Bool)
  }

  let knowledge: ConnectKnowledge
  var steps: [Step]
  /// The one that is being tried.
  var step: Step?
  var timer: Scheduled<Void>?
  /// Whether the server of this step was reached; what fails after that was refused by it.
  var hasReachedServer = false
  /// What went wrong so far, each thing once: any of the hosts may be the one that matters.
  private var reasons: [String] = []
  /// Tells the answers to an old step from those to the present one.
  var turn = 0

  init(_ knowledge: ConnectKnowledge) {
    self.knowledge = knowledge
    steps = knowledge.steps(now: .now())
  }

  /// Why there is no connection.
  var reason: String {
    reasons.isEmpty ? "no host to connect to" : reasons.joined(separator: "; ")
  }

  func noteFailure(_ reason: String) {
    if !reasons.contains(reason) { reasons.append(reason) }
  }

  func end() {
    timer?.cancel()
    timer = nil
    turn += 1
  }
}

/// Connecting, one address after the other.
extension Connection {
  /// Begins; the result is reported as an event.
  func connect(_ knowledge: ConnectKnowledge) {
    attempt = ConnectAttempt(knowledge)
    tryNext()
  }

  /// Takes the next step, or gives up after the last.
  private func tryNext() {
    stopWatching()
    handle?.finish()
    handle = nil
    guard let attempt else { return }
    attempt.end()
    guard !attempt.steps.isEmpty else { return fail(attempt.reason) }
    let step = attempt.steps.removeFirst()
    attempt.step = step
    attempt.hasReachedServer = false
    let turn = attempt.turn
    attempt.timer = loop.scheduleTask(in: TimeAmount(attempt.knowledge.settings.connectTimeout)) {
      self.assumeIsolated { $0.stepTimedOut(turn) }
    }
    switch step {
    case .resolve(let endpoint, let session):
      resolve(endpoint, session, attempt)
    case .connect(let target, let session, let withSettings):
      start(target, session, withSettings, attempt)
    }
  }

  private func resolve(_ endpoint: Endpoint, _ session: String, _ attempt: ConnectAttempt) {
    if endpoint.isUnixSocket || !endpoint.address.isEmpty {
      return resolved([endpoint.address], endpoint, session, attempt.turn)
    }
    let turn = attempt.turn
    attempt.knowledge.resolver.addresses(of: endpoint.host) { [loop] addresses in
      loop.execute {
        self.assumeIsolated { $0.resolved(addresses, endpoint, session, turn) }
      }
    }
  }

  private func resolved(
    _ addresses: [String], _ endpoint: Endpoint, _ session: String, _ turn: Int
  ) {
    guard let attempt, attempt.turn == turn else { return }
    if addresses.isEmpty { attempt.noteFailure("the host name \(endpoint.host) is not known") }
    let withSettings = attempt.knowledge.offersSettings
    attempt.steps.insert(
      contentsOf: addresses.map {
        .connect(
          Target(endpoint: endpoint, address: $0), session: session, withSettings: withSettings)
      }, at: 0)
    tryNext()
  }

  private func start(
    _ target: Target, _ session: String, _ withSettings: Bool, _ attempt: ConnectAttempt
  ) {
    let settings = attempt.knowledge.settings
    let keywords = attempt.knowledge.parameters.keywords(
      for: target, settings: withSettings ? settings.serverSettings : nil, session: session,
      fallback: settings.fallbackParameters)
    guard let handle = ConnectionHandle(connectingTo: keywords) else {
      return fail("out of memory")
    }
    self.handle = handle
    if handle.isBad { return stepFailed(handle) }
    // libpq's rule: as if the first answer had been "wait for writing".
    if !watch(handle, for: .writable) { fail("the connection cannot be watched") }
  }

  /// The descriptor is ready for the next step of libpq.
  func continueConnecting() {
    guard let handle, let attempt else { return }
    // libpq may close this descriptor and open another, even with the same number.
    stopWatching()
    attempt.hasReachedServer = attempt.hasReachedServer || handle.hasReachedServer
    switch handle.connectStep() {
    case .readable:
      if !watch(handle, for: .readable) { fail("the connection cannot be watched") }
    case .writable:
      if !watch(handle, for: .writable) { fail("the connection cannot be watched") }
    case .failed:
      stepFailed(handle)
    case .done:
      if case .connect(_, _, let withSettings) = attempt.step {
        if withSettings || attempt.knowledge.offersSettings {
          attempt.knowledge.settingsWere(accepted: withSettings)
        }
      }
      established(handle)
    }
  }

  private func stepFailed(_ handle: ConnectionHandle) {
    guard let attempt else { return }
    attempt.noteFailure(handle.message.trimmingTrailingNewline)
    if attempt.hasReachedServer, case .connect(let target, let session, true) = attempt.step {
      // A pooler may refuse settings that it does not know; libpq does not tell why it was refused.
      attempt.steps.insert(.connect(target, session: session, withSettings: false), at: 0)
    }
    tryNext()
  }

  private func stepTimedOut(_ turn: Int) {
    guard let attempt, attempt.turn == turn, let step = attempt.step else { return }
    switch step {
    case .resolve(let endpoint, _):
      attempt.noteFailure("the name server did not answer for \(endpoint.host)")
      attempt.knowledge.didNotAnswer(endpoint, now: .now())
    case .connect(let target, _, _):
      attempt.noteFailure(
        "\(target.endpoint.host) port \(target.endpoint.port) did not answer in time")
      attempt.knowledge.didNotAnswer(target.endpoint, now: .now())
    }
    tryNext()
  }
}

extension String {
  /// libpq ends its messages with one.
  fileprivate var trimmingTrailingNewline: String {
    hasSuffix("\n") ? String(dropLast()) : self
  }
}
