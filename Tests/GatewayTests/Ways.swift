import Gateway
import NIOCore
import Synchronization
import Testing
import Upstream

/// How a test's calls without a body get to the gateway.
enum Way: CaseIterable {
  case task, lane

  @TaskLocal static var current = Way.task
}

/// Runs each test of a suite by either way: they must not differ.
struct BothWays: SuiteTrait, TestTrait, TestScoping {
  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    for way in Way.allCases {
      try await Way.$current.withValue(way) { try await function() }
    }
  }
}

extension Trait where Self == BothWays {
  static var bothWays: BothWays { BothWays() }
}

extension StoreGateway {
  /// As the edge does it: begun on the loop, cancelled when nobody wants the answer any more.
  func answerInLane(_ request: GatewayRequest) async -> GatewayResponse {
    let begun = Begun()
    return await withTaskCancellationHandler {
      await withCheckedContinuation { caller in
        request.loop.execute {
          let call = self.begin(request) { answer in
            request.loop.preconditionInEventLoop()
            caller.resume(returning: answer)
          }
          begun.note(call)
        }
      }
    } onCancel: {
      begun.cancel()
    }
  }
}

/// The call once it is begun, between its beginning and its caller's going away.
private final class Begun: Sendable {
  private let state = Mutex((call: (any Cancellable)?.none, isCancelled: false))

  func note(_ call: (any Cancellable)?) {
    let isCancelled = state.withLock { state in
      state.call = call
      return state.isCancelled
    }
    if isCancelled { call?.cancel() }
  }

  func cancel() {
    let call = state.withLock { state in
      state.isCancelled = true
      return state.call
    }
    call?.cancel()
  }
}
