package import NIOCore
package import Reactor
import Synchronization

/// An HTTP/1.1 client: libcurl on the reactor's event loops.
///
/// A connection belongs to one loop and one origin and is kept for the next request. Nothing is
/// followed, decoded or remembered: no redirects, no proxies, no cookies, no credentials.
///
/// Only requests that change nothing (GET, HEAD, OPTIONS) and whose body is in memory are ever sent
/// twice, and only when a reused connection died without a byte of an answer.
package final class CurlClient: Sendable {
  /// Called once, on the transfer's loop, with the answer or why there is none.
  package typealias Completion = @Sendable (Result<CurlResponse, CurlError>) -> Void

  private let reactor: Reactor
  private let workers: [Worker]
  private let lastID = Atomic<UInt64>(0)

  /// A client on all loops of the reactor.
  ///
  /// - Throws: `unusableLibrary` when the installed libcurl would block a loop or has no TLS.
  package init(reactor: Reactor, settings: CurlSettings) throws(CurlError) {
    try CurlLibrary.check()
    self.reactor = reactor
    var workers: [Worker] = []
    for loop in reactor.loops {
      workers.append(
        Worker(try Engine(loop: loop, reactor: reactor, settings: settings), on: loop))
    }
    self.workers = workers
  }

  /// Sends a request and returns when the head of the answer is in; a body of known length up to
  /// `CurlSettings.collectedBody` comes with it.
  ///
  /// Cancelling the task ends the transfer, whatever it is doing.
  ///
  /// - Parameters:
  ///   - request: checked before anything is sent.
  ///   - loop: one of the reactor's; else the current one if it is, else the next in turn.
  /// - Returns: the answer, whatever its status.
  /// - Throws: why there is none; `CurlError.wasSent` says whether the server may have seen it.
  package func send(
    _ request: CurlRequest, on loop: (any EventLoop)? = nil
  ) async throws(CurlError) -> CurlResponse {
    try request.validate()
    let worker = try worker(on: loop ?? reactor.current ?? reactor.next())
    let id = TransferID(number: lastID.add(1, ordering: .relaxed).newValue)
    let cancellation = Cancellation()
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { caller in
        let order = TransferOrder(id: id, request: request, worker: worker)
        worker.run {
          $0.start(order, isCancelled: cancellation.isRequested) { caller.resume(returning: $0) }
        }
      }
    } onCancel: {
      // The flag first: the two runs may reach the loop in either order.
      cancellation.request()
      worker.run { $0.cancel(id, .cancelled) }
    }
    return try outcome.get()
  }

  /// A transfer that is begun without a task, by callers on one of the reactor's loops.
  ///
  /// - Throws: `invalidRequest` when the loop is none of the reactor's.
  package func prepare(on loop: any EventLoop) throws(CurlError) -> CurlTransfer {
    CurlTransfer(
      id: TransferID(number: lastID.add(1, ordering: .relaxed).newValue),
      worker: try worker(on: loop))
  }

  /// Ends all transfers with `shutDown` and closes all connections.
  ///
  /// To be called before the reactor's.
  package func shutdown() async {
    for worker in workers {
      let done = worker.loop.makePromise(of: Void.self)
      worker.run {
        $0.shutDown()
        done.succeed()
      }
      // Never fails: it is succeeded right above.
      try? await done.futureResult.get()
    }
  }

  /// How many transfers are under way on all loops.
  package func transferCount() async -> Int {
    var count = 0
    for worker in workers {
      let answer = worker.loop.makePromise(of: Int.self)
      worker.run { answer.succeed($0.transferCount) }
      // Never fails: it is succeeded right above.
      count += (try? await answer.futureResult.get()) ?? 0
    }
    return count
  }

  private func worker(on loop: any EventLoop) throws(CurlError) -> Worker {
    guard let worker = workers.first(where: { $0.loop === loop }) else { throw .invalidRequest }
    return worker
  }
}

/// A request's way without a task.
package struct CurlTransfer: Sendable {
  fileprivate let id: TransferID
  fileprivate let worker: Worker

  /// Sends the request; to be called once.
  ///
  /// `done` is called on the loop, perhaps before this returns, with what
  /// ``CurlClient/send(_:on:)`` returns and throws.
  package func begin(_ request: consuming CurlRequest, _ done: @escaping CurlClient.Completion) {
    do throws(CurlError) {
      try request.validate()
    } catch {
      return done(.failure(error))
    }
    let order = TransferOrder(id: id, request: request, worker: worker)
    worker.run { $0.start(order, isCancelled: false, done) }
  }

  /// Ends the transfer when nobody wants the answer any more; harmless after its end.
  package func cancel() {
    worker.run { [id] in $0.cancel(id, .cancelled) }
  }
}

/// Whether the caller has been cancelled; the loop asks before it starts.
private final class Cancellation: Sendable {
  private let flag = Atomic<Bool>(false)

  var isRequested: Bool { flag.load(ordering: .acquiring) }

  func request() {
    flag.store(true, ordering: .releasing)
  }
}
