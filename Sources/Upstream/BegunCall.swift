import Base
package import Curl
package import NIOCore
import Synchronization

/// Something under way whose result may become unwanted.
package protocol Cancellable: Sendable {
  /// Ends it soon; harmless when it has ended.
  func cancel()
}

extension Upstream {
  /// What a call ends with, as ``call(_:on:)`` returns and throws it.
  package typealias Completion = @Sendable (Result<CurlResponse, UpstreamError>) -> Void

  /// Sends a call without a body as ``call(_:on:)`` does, from the loop that the caller is on and,
  /// unless it has to be repeated, without a task.
  ///
  /// `done` is called once on the loop, perhaps before this returns.
  ///
  /// - Returns: what ends the call when nobody wants its answer any more.
  package func begin(
    _ call: consuming StoreCall, on loop: any EventLoop, _ done: @escaping Completion
  ) -> any Cancellable {
    let begun = BegunCall(self, call, loop, askedAt: time.clock.now(), done)
    begun.begin()
    return begun
  }
}

/// A call that goes its way by callbacks, all of them on its loop.
private final class BegunCall: Cancellable {
  /// What there is to cancel.
  private enum Stage {
    case deciding
    case waits(QuotaPlace)
    case sends(CurlTransfer)
    case isRepeated(Task<Void, Never>)
    case over
  }

  private let upstream: Upstream
  /// Without who hears of its waits.
  private let call: StoreCall
  private let loop: any EventLoop
  private let askedAt: Duration
  private let state: Mutex<State>

  private struct State {
    var stage = Stage.deciding
    var isCancelled = false
    /// Let go when it is called, with all that it holds.
    var done: Upstream.Completion?
    /// Let go at the end likewise.
    var underWay: CallUnderWay?
  }

  init(
    _ upstream: Upstream, _ call: consuming StoreCall, _ loop: any EventLoop, askedAt: Duration,
    _ done: @escaping Upstream.Completion
  ) {
    self.upstream = upstream
    state = Mutex(State(done: done, underWay: call.underWay))
    call.underWay = nil
    self.call = call
    self.loop = loop
    self.askedAt = askedAt
  }

  private var activity: StoreActivity { call.store.activity }

  func begin() {
    do throws(UpstreamError) {
      if let pass = try activity.passAtOnce(call.demand, now: askedAt) {
        take(.success(pass))
      } else {
        lineUp()
      }
    } catch {
      take(.failure(error))
    }
  }

  func cancel() {
    let stage = state.withLock { state in
      state.isCancelled = true
      return state.stage
    }
    switch stage {
    case .deciding, .over: break
    case .waits(let place): activity.withdraw(place, upstream.time)
    case .sends(let transfer): transfer.cancel()
    case .isRepeated(let task): task.cancel()
    }
  }

  /// - Returns: whether nobody has cancelled meanwhile.
  private func enter(_ stage: Stage) -> Bool {
    state.withLock { state in
      state.stage = stage
      return !state.isCancelled
    }
  }

  // MARK: Its turn

  private func lineUp() {
    let place = QuotaPlace()
    guard enter(.waits(place)) else { return end(.failure(.cancelled)) }
    activity.lineUp(call.demand, place, upstream.time) { turn in
      // Whoever makes room may be on any loop, and in the middle of something.
      self.loop.execute { self.take(turn) }
    }
  }

  private func take(_ turn: Result<CallPass, UpstreamError>) {
    upstream.time.note(turn, call.demand, askedAt: askedAt)
    let underWay = state.withLock(\.underWay)
    switch turn {
    case .success(let pass):
      underWay?.waited(pass.permit.grantedAt - askedAt)
      send(pass)
    case .failure(let error):
      underWay?.waited(upstream.now - askedAt)
      end(.failure(error))
    }
  }

  // MARK: Its transfer

  private func send(_ pass: CallPass) {
    do throws(CurlError) {
      let transfer = try upstream.client.prepare(on: loop)
      guard enter(.sends(transfer)) else { throw .cancelled }
      transfer.begin(upstream.request(call, .none)) { self.take($0, pass) }
    } catch {
      take(.failure(error), pass)
    }
  }

  private func take(_ result: Result<CurlResponse, CurlError>, _ pass: CallPass) {
    let first = upstream.observe(result, call.store, pass)
    guard upstream.mayRepeat(call, first) else { return end(first) }
    // Rare, and made of waits: what follows is a task's.
    var call = call
    call.underWay = state.withLock(\.underWay)
    let request = upstream.request(call, .none)
    let task = Task { [call] in
      let last: Result<CurlResponse, UpstreamError>
      do throws(UpstreamError) {
        last = .success(
          try await upstream.repeated(call, request, first, pass, askedAt: askedAt, loop))
      } catch {
        last = .failure(error)
      }
      loop.execute { self.end(last) }
    }
    if !enter(.isRepeated(task)) { task.cancel() }
  }

  private func end(_ result: Result<CurlResponse, UpstreamError>) {
    let (done, underWay) = state.withLock { state in
      state.stage = .over
      return (state.done.take(), state.underWay.take())
    }
    done?(result)
    // Until here: what it counts is complete when the answer is known.
    _ = underWay
  }
}
