package import Base
import BigCommerce
import Curl
import Fields
package import Logging
import NIOCore
package import Storage
package import Upstream

/// How the gateway behaves.
package struct GatewaySettings: Sendable {
  /// The apps of this deployment.
  package var apps: [AppName]
  /// The largest request body that is passed on.
  package var maxBody: ByteCount = .mebibytes(64)
  /// What BigCommerce is told of who calls when the caller does not say.
  package var userAgent: String

  package init(apps: [AppName], userAgent: String) {
    self.apps = apps
    self.userAgent = userAgent
  }
}

/// Forwards the calls of internal services to BigCommerce: decision, transfer, observation.
package final class StoreGateway: GatewayResponding {
  private let directory: StoreDirectory
  let upstream: Upstream
  private let admission: CallAdmission
  private let rules: DecisionRules
  private let settings: GatewaySettings
  private let clock: WallClock
  /// What rates of keys are measured by.
  private let pace: MonotonicClock
  let meter: GatewayMeter
  let keyedWrites: KeyedWriteRelay?
  private let usage: UsageBook?
  private let logger: Logger

  /// Without a ledger, writes that have an `Idempotency-Key` are refused as while the database is
  /// away.
  package init(
    directory: StoreDirectory, upstream: Upstream, admission: CallAdmission,
    settings: GatewaySettings, clock: WallClock = .system, pace: MonotonicClock = .system,
    meter: GatewayMeter = GatewayMeter(), ledger: KeyedWrites?,
    keyedMeter: KeyedWriteMeter = KeyedWriteMeter(), usage: UsageBook?, logger: Logger
  ) {
    self.directory = directory
    self.upstream = upstream
    self.admission = admission
    rules = DecisionRules(apps: settings.apps, maxBody: settings.maxBody)
    self.settings = settings
    self.clock = clock
    self.pace = pace
    self.meter = meter
    keyedWrites = ledger.map {
      KeyedWriteRelay(ledger: $0, meter: keyedMeter, clock: pace, logger: logger)
    }
    self.usage = usage
    self.logger = logger
  }

  package func respond(to request: GatewayRequest) async -> GatewayResponse {
    switch decide(request) {
    case .answer(let answer): return answer
    case .call(let plan, let underWay):
      if let keyed = plan.keyed { return await respond(keyed, plan, request, underWay) }
      do throws(Problem) {
        return try await relay(plan, request, underWay)
      } catch {
        return refuse(error, request, plan.subject, underWay)
      }
    }
  }

  package func begin(
    _ request: GatewayRequest, _ done: @escaping @Sendable (GatewayResponse) -> Void
  ) -> (any Cancellable)? {
    switch decide(request) {
    case .answer(let answer):
      done(answer)
      return nil
    case .call(let plan, let underWay):
      if let keyed = plan.keyed {
        // Made of waits for the database; the lane brings reads only, so this is rare.
        return Task {
          let answer = await respond(keyed, plan, request, underWay)
          request.loop.execute { done(answer) }
        }
      }
      return upstream.begin(call(plan, request, .none, underWay), on: request.loop) { result in
        switch result {
        case .success(let response): done(self.answer(response, plan, request, underWay))
        case .failure(let error):
          done(self.refuse(Problem(error), request, plan.subject, underWay))
        }
      }
    }
  }

  /// What becomes of a request before anything is sent.
  private enum Admission {
    case call(CallPlan, CallUnderWay)
    /// Refused, or a dry run.
    case answer(GatewayResponse)
  }

  private func decide(_ request: GatewayRequest) -> Admission {
    guard let snapshot = directory.current() else {
      return .answer(refuse(.databaseUnavailable, request))
    }
    let now = clock.now()
    var subject = RequestSubject()
    switch rules.decide(request.facts, snapshot, now: now, &subject) {
    case .refuse(let problem):
      note(problem, request, subject, snapshot, now)
      return .answer(refuse(problem, request, subject))
    case .explain(let dryRun):
      meter.explained(request.method)
      let document = dryRun.document(now: upstream.now, pace: pace, request.requestID)
      var answer = GatewayResponse.document(document, request.requestID)
      answer.subject = subject
      return .answer(answer)
    case .call(let plan):
      do throws(Problem) {
        return .call(plan, try admit(plan, request, now))
      } catch {
        usage?.refused(plan.tags, status: error.status, now: now, on: request.loop)
        usage?.note(
          FailedCall(
            request.name, of: plan.key, to: plan.store.installation, at: now, error, after: .zero),
          on: request.loop)
        return .answer(refuse(error, request, subject))
      }
    }
  }

  /// A place among the calls that are held, and one call of the key's rate; what gets no place
  /// takes nothing of the rate.
  private func admit(
    _ plan: CallPlan, _ request: GatewayRequest, _ now: Timestamp
  ) throws(Problem) -> CallUnderWay {
    let place: HeldCall
    do throws(CallAdmission.Refusal) {
      place = try admission.admit(plan.store.activity, plan.key.activity)
    } catch {
      throw .overloaded(error)
    }
    if let wait = plan.key.admit(by: pace) {
      throw .rateLimited(plan.key.grant.rate, retryAfter: wait)
    }
    return CallUnderWay(
      place, plan.tags, named: request.name, in: usage, on: request.loop, now: now,
      beganAt: upstream.now)
  }

  /// Notes a call that the rules refused, if its store is known here and its key is for that store:
  /// others' calls must not stand in a store's list.
  private func note(
    _ problem: Problem, _ request: GatewayRequest, _ subject: RequestSubject,
    _ snapshot: DirectorySnapshot, _ now: Timestamp
  ) {
    guard let usage, let app = subject.app, let store = subject.store, let caller = subject.caller,
      let entry = snapshot.store(InstallationID(app: app, store: store)),
      let key = snapshot.caller(id: caller, at: now),
      key.grant.allows(app: app), key.grant.allows(store: store, labelled: entry.labels)
    else { return }
    usage.note(
      FailedCall(request.name, of: key, to: entry.installation, at: now, problem, after: .zero),
      on: request.loop)
  }

  func call(
    _ plan: CallPlan, _ request: GatewayRequest, _ body: CurlRequest.Body,
    _ underWay: CallUnderWay
  ) -> StoreCall {
    StoreCall(
      store: plan.store, token: plan.token, method: request.method, target: plan.target.text,
      headers: HeaderRules.request(
        request.headers, requestID: request.requestID, trace: request.trace,
        userAgent: settings.userAgent),
      body: body, demand: plan.demand, timeout: plan.controls.timeout,
      retries: plan.controls.retries, underWay: underWay)
  }

  private func answer(
    _ response: CurlResponse, _ plan: CallPlan, _ request: GatewayRequest,
    _ underWay: CallUnderWay
  ) -> GatewayResponse {
    underWay.answered(status: response.status, now: upstream.now)
    return answer(
      response.status, HeaderRules.passedToCaller(response.headers),
      StoreGateway.body(response.body, underWay), request, plan.subject)
  }

  /// An answer of BigCommerce's, with what may pass of its fields.
  func answer(
    _ status: Int, _ passed: consuming FieldSection, _ body: GatewayResponse.Body,
    _ request: GatewayRequest, _ subject: RequestSubject
  ) -> GatewayResponse {
    meter.relayed(request.method, status: status)
    var answer = GatewayResponse(
      status: status, headers: HeaderRules.signed(passed, requestID: request.requestID), body: body)
    answer.subject = subject
    return answer
  }

  private func relay(
    _ plan: CallPlan, _ request: GatewayRequest, _ underWay: CallUnderWay
  ) async throws(Problem) -> GatewayResponse {
    let (body, limited) = requestBody(request)
    defer { underWay.sent(bytes: limited?.taken ?? request.contentLength ?? 0) }
    do throws(UpstreamError) {
      let response = try await upstream.call(call(plan, request, body, underWay), on: request.loop)
      return answer(response, plan, request, underWay)
    } catch {
      if let limited, limited.isTooLarge { throw .bodyTooLarge(settings.maxBody) }
      throw Problem(error)
    }
  }

  /// The body as it is sent on; a streamed one of unknown length counts its bytes.
  private func requestBody(_ request: GatewayRequest) -> (CurlRequest.Body, LimitedBody?) {
    guard let body = request.body, request.contentLength != 0 else { return (.none, nil) }
    if let length = request.contentLength { return (.stream(length: length, body), nil) }
    let limited = LimitedBody(body, limit: settings.maxBody)
    return (.stream(length: nil, limited), limited)
  }

  static func body(
    _ body: CurlResponseBody, _ underWay: CallUnderWay
  ) -> GatewayResponse.Body {
    if let complete = body.complete {
      underWay.received(bytes: complete.readableBytes)
      return .bytes(complete)
    }
    return .stream(length: body.knownLength, RelayedBody(body: body, underWay: underWay))
  }

  func refuse(
    _ problem: Problem, _ request: GatewayRequest, _ subject: RequestSubject = RequestSubject(),
    _ underWay: CallUnderWay? = nil
  ) -> GatewayResponse {
    // A caller whose body ended early, or who is not there any more, has left.
    if problem.code != Problem.bodyIncomplete.code {
      underWay?.refused(problem, now: upstream.now)
    }
    meter.refused(request.method, problem)
    logger.debug(
      "a call is refused",
      metadata: subject.metadata([
        "code": "\(problem.code)", "request_id": "\(request.requestID)",
        "trace_id": "\(request.trace.traceID)",
      ]))
    var answer = GatewayResponse.problem(problem, request.requestID)
    answer.subject = subject
    return answer
  }
}

extension GatewayResponse {
  /// An answer of the gateway's own.
  package static func problem(_ problem: Problem, _ requestID: RequestID) -> GatewayResponse {
    var headers: FieldSection = [
      .contentType: "application/problem+json", .cacheControl: "no-store",
      .latchkeyOrigin: "gateway", .requestID: requestID.text,
    ]
    if let seconds = problem.retryAfter { headers[.retryAfter] = String(seconds) }
    if let allowed = problem.allowedMethods { headers[.allow] = allowed }
    let body = problem.encoded(requestID: requestID)
    headers[.contentLength] = String(body.count)
    return GatewayResponse(
      status: problem.status, headers: headers, body: .bytes(ByteBuffer(bytes: body)))
  }
}

extension RequestSubject {
  /// What a log line says of it, with what else it says.
  package func metadata(_ more: Logger.Metadata) -> Logger.Metadata {
    var metadata = more
    if let app { metadata["app"] = "\(app)" }
    if let store { metadata["store_hash"] = "\(store)" }
    if let caller { metadata["caller"] = "\(caller)" }
    if let idempotency { metadata["idempotency"] = "\(idempotency.rawValue)" }
    return metadata
  }
}

extension GatewayRequest {
  fileprivate var name: CallName {
    CallName(requestID: requestID, method: method, target: target)
  }
}

extension Task: Cancellable where Success == Void, Failure == Never {}

extension CallPlan {
  var subject: RequestSubject {
    RequestSubject(app: store.installation.app, store: store.installation.store, caller: caller)
  }

  fileprivate var tags: CallTags { CallTags(store: store, key: key, demand: demand) }
}
