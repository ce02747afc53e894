package import Base
import BigCommerce
package import Curl
package import Fields
package import HTTPTypes
package import NIOCore
import Storage

/// One call to one store, decided upon and ready to be sent.
package struct StoreCall: Sendable {
  package let store: StoreEntry
  package let method: HTTPRequest.Method
  /// Checked bytes that begin with the store's own path.
  package let target: String
  /// The store's token among them.
  package let headers: FieldSection
  package let body: CurlRequest.Body
  /// Who asks for a place in the store's quota, and how long the call may wait for places in all.
  package let demand: QuotaDemand
  /// From the first place in the quota until the head of the answer, repetitions included.
  package let timeout: Duration
  /// How often the call may be repeated.
  package let retries: Int
  /// Hears how long it waits; `nil` for a call of our own.
  package var underWay: CallUnderWay?

  package init(
    store: StoreEntry, token: Secret<String>, method: HTTPRequest.Method, target: String,
    headers: consuming FieldSection, body: CurlRequest.Body, demand: QuotaDemand, timeout: Duration,
    retries: Int, underWay: CallUnderWay? = nil
  ) {
    self.store = store
    self.method = method
    self.target = target
    headers.append(.authToken, token.expose())
    self.headers = headers
    self.body = body
    self.demand = demand
    self.timeout = timeout
    self.retries = retries
    self.underWay = underWay
  }

  /// A place in the store's quota, when its turn has come.
  func pass(
    _ demand: QuotaDemand, _ time: CallTime, askedAt: Duration
  ) async throws(UpstreamError) -> CallPass {
    do throws(UpstreamError) {
      let pass = try await store.activity.pass(demand, time, now: askedAt)
      underWay?.waited(pass.permit.grantedAt - askedAt)
      return pass
    } catch {
      underWay?.waited(time.clock.now() - askedAt)
      throw error
    }
  }
}

/// The transfer of a call and what is learned from it; who may call what is decided before.
package final class Upstream: Sendable {
  /// Request bodies of known length up to this are held until the answer, so that they can be sent
  /// again.
  private static let heldBody = ByteCount.mebibytes(1)

  let client: CurlClient
  private let origin: Origin
  private let suspicions: Suspicions
  private let clock: WallClock
  let time: CallTime

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
    let pass = try await call.pass(call.demand, time, askedAt: asked)
    let body: CurlRequest.Body
    do throws(UpstreamError) {
      body = try await Self.held(call.body)
    } catch {
      call.store.activity.finish(pass, .failed(.notSendable), seenAt: nil, time)
      throw error
    }
    let request = request(call, body)
    let first = await send(request, call.store, pass, on: loop)
    guard mayRepeat(call, first) else { return try first.get() }
    return try await repeated(call, request, first, pass, askedAt: asked, loop)
  }

  func request(_ call: StoreCall, _ body: CurlRequest.Body) -> CurlRequest {
    CurlRequest(
      origin: origin, method: call.method, target: call.target, headers: call.headers, body: body,
      firstByteTimeout: call.timeout)
  }

  func mayRepeat(
    _ call: StoreCall, _ first: Result<CurlResponse, UpstreamError>
  ) -> Bool {
    if case .success(let response) = first, response.status < 429 { return false }
    return call.retries > 0
  }

  /// Repeats a call as often as the rules allow.
  func repeated(
    _ call: StoreCall, _ request: CurlRequest, _ first: Result<CurlResponse, UpstreamError>,
    _ firstPass: CallPass, askedAt: Duration, _ loop: (any EventLoop)?
  ) async throws(UpstreamError) -> CurlResponse {
    let activity = call.store.activity
    let policy = RetryPolicy(
      method: call.method, holdsBody: request.body.isHeld, retries: call.retries)
    let start = firstPass.permit.grantedAt
    let deadline = start + call.timeout
    var random = SplitMix64(seed: .random(in: .min ... .max))
    var maxWait = call.demand.maxWait - (start - askedAt)
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
        pass = try await call.pass(demand, time, askedAt: asked)
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
    let result: Result<CurlResponse, CurlError>
    do throws(CurlError) {
      result = .success(try await client.send(request, on: loop))
    } catch {
      result = .failure(error)
    }
    return observe(result, store, pass)
  }

  /// Takes over what an attempt's end says of the store.
  func observe(
    _ result: Result<CurlResponse, CurlError>, _ store: StoreEntry, _ pass: CallPass
  ) -> Result<CurlResponse, UpstreamError> {
    switch result {
    case .success(let response):
      store.activity.finish(
        pass, .answered(status: response.status, QuotaHeaders(response.headers)),
        seenAt: clock.now(), time)
      if response.status == 401 { suspicions.report(store.installation, store.generation) }
      return .success(response)
    case .failure(let failure):
      let error = UpstreamError(failure)
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
