import NIOCore
import Synchronization

/// What a producer gave of a request body and was not sent yet; between the producer and the loop.
final class UploadBuffer: Sendable {
  /// What `read` found.
  enum Read {
    case bytes(Int)
    /// Nothing yet. `push` or `finish` will ask for the transfer to go on.
    case wait
    case end
  }

  fileprivate typealias Waiter = CheckedContinuation<Bool, Never>

  fileprivate struct State {
    var chunks: [ByteBuffer] = []
    var bytes = 0
    var highWater = 0
    /// What the announced length still allows; `nil` when none was announced.
    var allowed: Int?
    var isFinished = false
    var isStopped = false
    var isReaderWaiting = false
    var waiter: Waiter?
  }

  private let limit: Int
  private let wake: @Sendable () -> Void
  private let state: Mutex<State>

  /// Calls `wake` when the reader was told to wait and there is something now.
  init(length: Int?, limit: Int, wake: @escaping @Sendable () -> Void) {
    self.limit = limit
    self.wake = wake
    state = Mutex(State(allowed: length))
  }

  /// The most that ever waited here, in bytes.
  var highWater: Int { state.withLock { $0.highWater } }

  /// Takes everything of the stream, at the pace at which it is read.
  ///
  /// - Throws: `uploadFailed` when the stream failed or has another length than announced.
  func pump(_ stream: any AsyncSequence<ByteBuffer, any Error> & Sendable) async throws(CurlError) {
    do {
      for try await chunk in stream where chunk.readableBytes > 0 {
        guard try await push(chunk) else { return }
      }
    } catch {
      // Stopping it cancels the producer, which may take that for an error; nobody else should.
      if state.withLock({ $0.isStopped }) { return }
      throw .uploadFailed
    }
    try finish()
  }

  /// Ends the upload: the producer is let go and told to stop.
  func stop() {
    let waiter = state.withLock { state -> Waiter? in
      state.isStopped = true
      state.chunks = []
      state.bytes = 0
      return state.waiter.take()
    }
    waiter?.resume(returning: false)
  }

  /// Moves bytes to libcurl.
  ///
  /// On the loop.
  func read(into target: UnsafeMutableRawBufferPointer) -> Read {
    let (result, waiter) = state.withLock { state -> (Read, Waiter?) in
      let count = unsafe state.move(into: target)
      if count > 0 {
        return (.bytes(count), state.bytes < limit ? state.waiter.take() : nil)
      }
      if state.isFinished { return (.end, nil) }
      state.isReaderWaiting = true
      return (.wait, nil)
    }
    waiter?.resume(returning: true)
    return result
  }

  /// Adds a chunk and waits until there is room for another; `false` when no more is wanted.
  private func push(_ chunk: ByteBuffer) async throws(CurlError) -> Bool {
    let outcome = state.withLock { $0.append(chunk) }
    guard let outcome else { throw .uploadFailed }
    if outcome.wakesReader { wake() }
    return await withCheckedContinuation { waiter in
      let answer = state.withLock { state -> Bool? in
        if state.isStopped { return false }
        if state.bytes < limit { return true }
        state.waiter = waiter
        return nil
      }
      if let answer { waiter.resume(returning: answer) }
    }
  }

  private func finish() throws(CurlError) {
    let (isWhole, wakesReader) = state.withLock { state in
      // A body that is too short must not look finished: the server would take it for whole.
      guard state.allowed ?? 0 == 0 || state.isStopped else { return (false, false) }
      state.isFinished = true
      return (true, state.takeReaderWaiting())
    }
    guard isWhole else { throw .uploadFailed }
    if wakesReader { wake() }
  }
}

extension UploadBuffer.State {
  fileprivate mutating func takeReaderWaiting() -> Bool {
    defer { isReaderWaiting = false }
    return isReaderWaiting
  }

  /// `nil` when the chunk goes beyond the announced length.
  fileprivate mutating func append(_ chunk: ByteBuffer) -> (wakesReader: Bool, Void)? {
    if isStopped { return (false, ()) }
    if let allowed {
      guard chunk.readableBytes <= allowed else { return nil }
      self.allowed = allowed - chunk.readableBytes
    }
    chunks.append(chunk)
    bytes += chunk.readableBytes
    highWater = max(highWater, bytes)
    return (takeReaderWaiting(), ())
  }

  fileprivate mutating func move(into target: UnsafeMutableRawBufferPointer) -> Int {
    var moved = 0
    while moved < target.count, !chunks.isEmpty {
      let count = min(target.count - moved, chunks[0].readableBytes)
      unsafe chunks[0].readWithUnsafeReadableBytes { source in
        unsafe UnsafeMutableRawBufferPointer(rebasing: target[moved...]).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: source[..<count]))
        return count
      }
      if chunks[0].readableBytes == 0 { chunks.removeFirst() }
      moved += count
    }
    bytes -= moved
    return moved
  }
}
