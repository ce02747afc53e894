package import Base
import BigCommerce
package import Curl
package import HTTPTypes
package import NIOCore
import Storage

/// One call to one store, decided upon and ready to be sent.
package struct StoreCall: Sendable {
  package let store: StoreEntry
  package let token: Secret<String>
  package let method: HTTPRequest.Method
  /// Checked bytes that begin with the store's own path.
  package let target: String
  /// Without the token, which is added when it is sent.
  package let headers: HTTPFields
  package let body: CurlRequest.Body
  /// Who asks for a place in the store's quota, and how long the call may wait for places in all.
  package let demand: QuotaDemand
  /// From the first place in the quota until the head of the answer, repetitions included.
  package let timeout: Duration
  /// How often the call may be repeated.
  package let retries: Int

  package init(
    store: StoreEntry, token: Secret<String>, method: HTTPRequest.Method, target: String,
    headers: HTTPFields, body: CurlRequest.Body, demand: QuotaDemand, timeout: Duration,
    retries: Int
  ) {
    self.store = store
    self.token = token
    self.method = method
    self.target = target
    self.headers = headers
    self.body = body
    self.demand = demand
    self.timeout = timeout
    self.retries = retries
  }
}

/// The transfer of a call and what is learned from it; who may call what is decided before.
package struct Upstream: Sendable {
  /// Request bodies of known length up to this are held until the answer, so that they can be sent
  /// again.
  private static let heldBody = ByteCount.mebibytes(1)

  private let client: CurlClient
  private let origin: Origin
  private let suspicions: Suspicions
  private let clock: WallClock
  private let time: CallTime

  package init(
    client: CurlClient, origin: Origin, suspicions: Suspicions, clock: WallClock = .system,
    time: CallTime = .system
  ) {
    self.client = client
    self.origin = origin
    self.suspicions = suspicions
    self.clock = clock
    self.time = time
  }

  /// The moment by which the waits of calls are measured.
  package var now: Duration { time.clock.now() }

  /// Sends the call when the store's quota allows it, again if it may be repeated, and returns when
  /// the head of the answer is in.
  ///
  /// Cancelling the task ends it, whatever it is doing.
  package func call(
    _ call: StoreCall, on loop: (any EventLoop)? = nil
  ) async throws(UpstreamError) -> CurlResponse {
    let asked = time.clock.now()
    let pass = try await call.store.activity.pass(call.demand, time, now: asked)
    let body: CurlRequest.Body
    do throws(UpstreamError) {
      body = try await Self.held(call.body)
    } catch {
      call.store.activity.finish(pass, .failed(.notSendable), seenAt: nil, time)
      throw error
    }
    var headers = call.headers
    headers.append(HTTPField(name: .authToken, value: call.token.expose()))
    let request = CurlRequest(
      origin: origin, method: call.method, target: call.target, headers: headers, body: body,
      firstByteTimeout: call.timeout)
    let first = await send(request, call.store, pass, on: loop)
    if case .success(let response) = first, response.status < 429 { return response }
    guard call.retries > 0 else { return try first.get() }
    let waited = pass.permit.grantedAt - asked
    return try await repeated(
      call, request, first, since: pass.permit.grantedAt, maxWait: call.demand.maxWait - waited,
      loop)
  }

  /// Repeats a call as often as the rules allow.
  private func repeated(
    _ call: StoreCall, _ request: CurlRequest, _ first: Result<CurlResponse, UpstreamError>,
    since start: Duration, maxWait: Duration, _ loop: (any EventLoop)?
  ) async throws(UpstreamError) -> CurlResponse {
    let activity = call.store.activity
    let policy = RetryPolicy(
      method: call.method, holdsBody: request.body.isHeld, retries: call.retries)
    let deadline = start + call.timeout
    var random = SplitMix64(seed: .random(in: .min ... .max))
    var maxWait = maxWait
    var mayHaveHappened = false
    var last = first
    for repetition in 0..<call.retries {
      let now = time.clock.now()
      let decision = policy.decide(
        RetryPolicy.End(last), repeated: repetition, timeLeft: deadline - now, &random)
      guard case .again(let pause) = decision else { break }
      guard activity.takeRetry() else {
        time.meter.overRetryBudget()
        break
      }
      if case .failure(let error) = last, error.mayHaveBeenSent { mayHaveHappened = true }
      do throws(CancellationError) {
        if pause > .zero { try await time.clock.sleep(for: pause) }
      } catch {
        throw .cancelled
      }
      let asked = time.clock.now()
      let demand = call.demand.waiting(atMost: min(maxWait, deadline - asked))
      let pass: CallPass
      do throws(UpstreamError) {
        pass = try await activity.pass(demand, time, now: asked)
      } catch {
        if error == .cancelled { throw error }
        break
      }
      maxWait -= pass.permit.grantedAt - asked
      var again = request
      again.firstByteTimeout = max(.milliseconds(1), deadline - pass.permit.grantedAt)
      time.meter.repeated(RetryPolicy.End(last))
      last = await send(again, call.store, pass, on: loop)
    }
    do throws(UpstreamError) {
      return try last.get()
    } catch {
      throw mayHaveHappened ? error.afterOneThatMayHaveHappened : error
    }
  }

  /// One attempt, and what is learned from it.
  private func send(
    _ request: CurlRequest, _ store: StoreEntry, _ pass: CallPass, on loop: (any EventLoop)?
  ) async -> Result<CurlResponse, UpstreamError> {
    do throws(CurlError) {
      let response = try await client.send(request, on: loop)
      store.activity.finish(
        pass, .answered(status: response.status, QuotaHeaders(response.headers)),
        seenAt: clock.now(), time)
      if response.status == 401 { suspicions.report(store.installation, store.generation) }
      return .success(response)
    } catch {
      let error = UpstreamError(error)
      store.activity.finish(pass, .failed(error), seenAt: nil, time)
      return .failure(error)
    }
  }

  /// The body in memory, when it is known to be small.
  private static func held(
    _ body: CurlRequest.Body
  ) async throws(UpstreamError) -> CurlRequest.Body {
    guard case .stream(let length?, let stream) = body, length <= heldBody.bytes else {
      return body
    }
    do {
      let bytes = try await stream.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
      guard bytes.readableBytes == length else { throw UpstreamError.bodyFailed }
      return .bytes(bytes)
    } catch {
      throw .bodyFailed
    }
  }
}

extension CurlRequest.Body {
  /// Whether all of it is in memory, so that it can be sent again.
  fileprivate var isHeld: Bool {
    if case .stream = self { false } else { true }
  }
}

extension RetryPolicy.End {
  fileprivate init(_ result: Result<CurlResponse, UpstreamError>) {
    self =
      switch result {
      case .success(let response):
        .answered(
          status: response.status, retryAfter: QuotaHeaders(response.headers).retryAfter)
      case .failure(let error): .failed(error)
      }
  }
}

extension HTTPField.Name {
  /// `X-Auth-Token`: the caller's service key on the way in, the store's token on the way out.
  package static let authToken = known("X-Auth-Token")
}
