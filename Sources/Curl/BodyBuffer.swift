import NIOCore
import Synchronization

/// What has arrived of a response body and was not read yet; between the loop and the reader.
final class BodyBuffer: Sendable {
  /// What `push` did with the bytes.
  enum Pushed {
    case taken
    /// Nothing was taken: the buffer is full. `BodyOwner.next` asks for the rest later.
    case full
    /// Nobody will read them.
    case abandoned
  }

  fileprivate typealias Waiter = CheckedContinuation<Step, Never>
  fileprivate typealias Step = Result<ByteBuffer?, CurlError>

  fileprivate struct State {
    /// Oldest first.
    ///
    /// All but the last are as they were pushed; the last may still grow.
    var chunks: [ByteBuffer] = []
    var bytes = 0
    var highWater = 0
    var isPaused = false
    var end: Result<Void, CurlError>?
    var waiter: Waiter?
  }

  private let limit: Int
  private let state = Mutex(State())

  init(limit: Int) {
    self.limit = limit
  }

  /// The most that ever waited here, in bytes.
  var highWater: Int { state.withLock { $0.highWater } }

  /// Gives bytes to the reader; all of them or none.
  ///
  /// On the loop.
  func push(_ bytes: UnsafeRawBufferPointer) -> Pushed {
    let (outcome, waiter) = state.withLock { state -> (Pushed, Waiter?) in
      guard state.end == nil else { return (.abandoned, nil) }
      if let waiter = state.waiter.take() { return (.taken, waiter) }
      guard state.bytes < limit else {
        state.isPaused = true
        return (.full, nil)
      }
      unsafe state.append(bytes)
      return (.taken, nil)
    }
    waiter?.resume(returning: unsafe .success(ByteBuffer(bytes: bytes)))
    return outcome
  }

  /// Says how the body ended; what was pushed before can still be read.
  func finish(_ result: Result<Void, CurlError>) {
    let waiter = state.withLock { state -> Waiter? in
      guard state.end == nil else { return nil }
      state.end = result
      return state.waiter.take()
    }
    waiter?.resume(returning: result.map { nil })
  }

  /// Forgets what is there and ends with `cancelled`, unless it had ended.
  func abandon() {
    finish(.failure(.cancelled))
  }

  /// Whether the transfer may go on: it has not said how it ended.
  ///
  /// That the reader was cancelled tells nothing: bytes may have woken it just before, and then
  /// nobody has told the transfer.
  var mayBeUnderWay: Bool {
    state.withLock { state in
      switch state.end {
      case nil, .failure(.cancelled): true
      case .success, .failure: false
      }
    }
  }

  /// The next chunk, or `nil` at the end.
  ///
  /// `resume` is called when a paused transfer may go on.
  func next(resume: () -> Void) async throws(CurlError) -> ByteBuffer? {
    let (ready, unpause) = state.withLock { $0.take(limit: limit) }
    if unpause { resume() }
    if let ready { return try ready.get() }
    let step = await withTaskCancellationHandler {
      await withCheckedContinuation { park($0) }
    } onCancel: {
      abandon()
    }
    return try step.get()
  }

  private func park(_ waiter: Waiter) {
    let step = state.withLock { state -> Step? in
      precondition(state.waiter == nil, "a response body has one reader")
      // Something may have come since `next` looked.
      if let step = state.take(limit: limit).step { return step }
      state.waiter = waiter
      return nil
    }
    if let step { waiter.resume(returning: step) }
  }
}

extension BodyBuffer.State {
  /// Small pieces are joined up to this size.
  private static let joined = 32 * 1024

  fileprivate mutating func append(_ new: UnsafeRawBufferPointer) {
    bytes += new.count
    highWater = max(highWater, bytes)
    if let last = chunks.indices.last, chunks[last].readableBytes + new.count <= Self.joined {
      unsafe chunks[last].writeBytes(new)
    } else {
      chunks.append(unsafe ByteBuffer(bytes: new))
    }
  }

  /// The next step, if there is one now, and whether the transfer may go on.
  fileprivate mutating func take(
    limit: Int
  ) -> (step: Result<ByteBuffer?, CurlError>?, unpause: Bool) {
    if case .failure(.cancelled) = end { return (.failure(.cancelled), false) }
    guard !chunks.isEmpty else { return (end?.map { nil }, false) }
    let chunk = chunks.removeFirst()
    bytes -= chunk.readableBytes
    let unpause = isPaused && bytes <= limit / 2
    if unpause { isPaused = false }
    return (.success(chunk), unpause)
  }
}

/// The reader's side of a body that is still arriving.
///
/// When it goes away, the transfer ends.
final class BodyOwner: Sendable {
  private let buffer: BodyBuffer
  private let transfer: TransferID
  private let worker: Worker

  init(_ buffer: BodyBuffer, _ transfer: TransferID, _ worker: Worker) {
    self.buffer = buffer
    self.transfer = transfer
    self.worker = worker
  }

  /// The most that ever waited for the reader, in bytes.
  var highWater: Int { buffer.highWater }

  /// The next chunk, or `nil` at the end.
  func next() async throws(CurlError) -> ByteBuffer? {
    do throws(CurlError) {
      return try await buffer.next { worker.run { [transfer] in $0.resumeDownload(transfer) } }
    } catch {
      if error == .cancelled { cancel() }
      throw error
    }
  }

  deinit {
    if buffer.mayBeUnderWay {
      buffer.abandon()
      cancel()
    }
  }

  private func cancel() {
    worker.run { [transfer] in $0.cancel(transfer, .cancelled) }
  }
}
