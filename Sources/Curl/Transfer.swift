import Base
import CCurl
import HTTPTypes
import NIOCore

/// Names a transfer across threads; counted upward, never used twice.
struct TransferID: Hashable, Sendable {
  let number: UInt64
}

/// What is to be sent, on the loop of its worker.
final class TransferOrder: Sendable {
  let id: TransferID
  let request: CurlRequest
  let worker: Worker

  init(id: TransferID, request: CurlRequest, worker: Worker) {
    self.id = id
    self.request = request
    self.worker = worker
  }
}

/// One request and its answer, on the loop.
///
/// libcurl's callbacks end here.
final class Transfer {
  /// What is sent as a body.
  private enum Upload {
    case none
    case bytes(ByteBuffer)
    case stream(UploadBuffer, any AsyncSequence<ByteBuffer, any Error> & Sendable)
  }

  /// Where the body of the answer goes.
  private enum Download {
    case undecided
    case collected(ByteBuffer)
    case streamed(BodyBuffer)
  }

  private let order: TransferOrder
  private let deadlines: Deadlines
  private let limits: TransferLimits
  private let clock: TurnClock
  /// Let go when it is called, with all that it holds.
  private var caller: CurlClient.Completion?
  private var head: ResponseHead
  private var framing = ResponseHead.Framing.none
  private var upload: Upload
  private var pump: Task<Void, Never>?
  private var download = Download.undecided
  private var received = 0
  /// Why a callback refused to go on; wins over libcurl's own word for it.
  private var failure: CurlError?
  /// Whether an address of the server is one that may not be connected to.
  private var hasRefusedAddress = false

  /// How often libcurl began to send; more than once when it tried again.
  private(set) var attempts = 0
  private var marks: Deadlines.Marks
  private var hasChangedPhase = false
  /// Whether libcurl was told to wait; it has to be told when the wait is over.
  private(set) var isDownloadPaused = false
  private(set) var isUploadPaused = false
  /// Whether the server has refused the request while it was still being sent.
  private(set) var isUploadReleased = false

  init(
    _ order: TransferOrder, limits: TransferLimits, clock: TurnClock,
    caller: @escaping CurlClient.Completion
  ) {
    self.order = order
    self.caller = caller
    self.limits = limits
    self.clock = clock
    deadlines = Deadlines(limits, order.request, started: clock.now)
    marks = Deadlines.Marks(moved: clock.now)
    head = ResponseHead(
      isHeadRequest: order.request.method == .head, maxBytes: limits.head,
      maxFields: limits.headerFields)
    switch order.request.body {
    case .none: upload = .none
    case .bytes(let bytes): upload = .bytes(bytes)
    case .stream(let length, let stream):
      let (id, worker) = (order.id, order.worker)
      let buffer = UploadBuffer(length: length, limit: limits.uploadBuffer) {
        worker.run { $0.resumeUpload(id) }
      }
      upload = .stream(buffer, stream)
    }
    if case .none = upload {} else { marks.isUploading = true }
  }
}

extension Transfer {
  var id: TransferID { order.id }
}

// MARK: What libcurl asks and says

extension Transfer {
  /// Whether a socket may be opened to this address.
  ///
  /// Plain HTTP only to this machine, whatever a name such as `localhost` resolves to.
  func mayConnect(to address: IPAddress?) -> Bool {
    let isFine =
      address.map { address in
        (order.request.origin.scheme == .https || address.isLoopback)
          && (order.request.mayConnect?(address) ?? true)
      } ?? false
    if !isFine { hasRefusedAddress = true }
    return isFine
  }

  /// The connection stands and the request would leave now; `false` stops it.
  func begin() -> Bool {
    attempts += 1
    // libcurl sends again what a reused connection swallowed without an answer, up to five times;
    // RFC 9110, 9.2.2: a failed automatic retry is not retried automatically.
    if attempts > (order.request.mayBeResent ? 2 : 1) {
      failure = .broken
      return false
    }
    marks.phase = .requesting
    hasChangedPhase = true
    marks.moved = clock.now
    startPump()
    return true
  }

  /// A line of the head or of the trailers; `false` stops the transfer.
  func takeLine(_ line: Span<UInt8>) -> Bool {
    marks.moved = clock.now
    do {
      if case .complete(let framing) = try head.take(line) { try takeHead(framing) }
      return true
    } catch {
      failure = error
      return false
    }
  }

  /// Bytes of the body; what to tell libcurl about them.
  func takeBody(_ bytes: UnsafeRawBufferPointer) -> Int {
    marks.moved = clock.now
    if let limit = order.request.maxResponseBody, received + bytes.count > limit.bytes {
      failure = .tooLarge
      return Int(CURL_WRITEFUNC_ERROR)
    }
    switch download {
    case .undecided: return refuse(.broken)
    case .collected(var buffer):
      download = .undecided
      unsafe buffer.writeBytes(bytes)
      download = .collected(buffer)
    case .streamed(let buffer):
      switch unsafe buffer.push(bytes) {
      case .taken: break
      case .abandoned: return refuse(.cancelled)
      case .full:
        isDownloadPaused = true
        return Int(CURL_WRITEFUNC_PAUSE)
      }
    }
    received += bytes.count
    return bytes.count
  }

  /// Fills in more of the request body; what to tell libcurl about it.
  func giveBody(into target: UnsafeMutableRawBufferPointer) -> Int {
    marks.moved = clock.now
    switch upload {
    case .none:
      marks.isUploading = false
      return 0
    case .bytes(var buffer):
      let count = min(target.count, buffer.readableBytes)
      unsafe buffer.readWithUnsafeReadableBytes { source in
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<count]))
        return count
      }
      upload = .bytes(buffer)
      if buffer.readableBytes == 0 { marks.isUploading = false }
      return count
    case .stream(let buffer, _):
      // Nobody reads it any more; libcurl closes the connection afterwards.
      if isUploadReleased { return 0 }
      switch unsafe buffer.read(into: target) {
      case .bytes(let count): return count
      case .end:
        marks.isUploading = false
        return 0
      case .wait:
        isUploadPaused = true
        return Int(CURL_READFUNC_PAUSE)
      }
    }
  }

  /// Starts the request body again; `false` when it cannot be.
  func rewind() -> Bool {
    guard case .bytes = upload, case .bytes(let whole) = order.request.body else { return false }
    upload = .bytes(whole)
    marks.isUploading = true
    return true
  }

  private func refuse(_ error: CurlError) -> Int {
    failure = error
    return Int(CURL_WRITEFUNC_ERROR)
  }

  private func takeHead(_ framing: ResponseHead.Framing) throws(CurlError) {
    self.framing = framing
    marks.phase = .receiving
    hasChangedPhase = true
    if head.status >= 300 { releaseUpload() }
    switch framing {
    case .none: download = .collected(ByteBuffer())
    case .length(let length):
      if let limit = order.request.maxResponseBody, length > limit.bytes { throw .tooLarge }
      guard length > limits.collectedBody else {
        download = .collected(ByteBufferAllocator().buffer(capacity: length))
        return
      }
      stream(knownLength: length)
    case .chunked: stream(knownLength: nil)
    }
  }

  private func stream(knownLength: Int?) {
    let buffer = BodyBuffer(limit: limits.downloadBuffer)
    download = .streamed(buffer)
    let owner = BodyOwner(buffer, id, order.worker)
    answer(
      .success(response(CurlResponseBody(storage: .streaming(owner), knownLength: knownLength))))
  }
}

// MARK: What the engine asks and says

extension Transfer {
  /// The paused body may go on; libcurl is told by the engine.
  func resumeDownload() -> Bool {
    guard isDownloadPaused else { return false }
    isDownloadPaused = false
    marks.moved = clock.now
    return true
  }

  /// The request body may go on; libcurl is told by the engine.
  func resumeUpload() -> Bool {
    guard isUploadPaused else { return false }
    isUploadPaused = false
    marks.moved = clock.now
    return true
  }

  /// Whether a deadline has passed, else when the next one does; at zero, only the latter.
  func verdict(now: NIODeadline) -> Deadlines.Verdict {
    marks.isPeersTurn = !isDownloadPaused && !isUploadPaused
    return deadlines.verdict(marks, now: now)
  }

  /// The TCP connection stands; what is left is TLS.
  func noteConnected() {
    guard marks.phase == .connecting, marks.connected == nil else { return }
    marks.connected = clock.now
  }

  /// libcurl has ended the transfer.
  func finish(_ code: CURLcode) {
    if let failure { return end(.failure(failure)) }
    // A complete answer counts, whatever became of the rest of the request.
    guard code == CURLE_OK || isAnswerComplete else {
      let error = CurlError(code, hasBegun: attempts > 0)
      return end(.failure(error == .connectFailed && hasRefusedAddress ? .addressRefused : error))
    }
    end(head.isComplete ? .success(()) : .failure(.broken))
  }

  /// Tells everybody who waits how it went.
  ///
  /// Only the first call counts.
  func end(_ result: Result<Void, CurlError>) {
    stopUpload()
    if case .streamed(let buffer) = download { return buffer.finish(result) }
    answer(
      result.map {
        var whole = ByteBuffer()
        if case .collected(let bytes) = download { whole = bytes }
        let length = whole.readableBytes
        return response(CurlResponseBody(storage: .complete(whole), knownLength: length))
      })
  }

  /// Whether the deadlines may have become earlier since the last call.
  func takePhaseChange() -> Bool {
    defer { hasChangedPhase = false }
    return hasChangedPhase
  }

  /// Whether every byte of the answer is here, as far as its head tells.
  var isAnswerComplete: Bool {
    guard head.isComplete else { return false }
    return switch framing {
    case .none: true
    case .length(let length): received == length
    case .chunked: false
    }
  }

  private func answer(_ result: Result<CurlResponse, CurlError>) {
    caller.take()?(result)
  }

  private func response(_ body: CurlResponseBody) -> CurlResponse {
    CurlResponse(status: head.status, headers: head.fields, body: body)
  }
}

// MARK: The request's own stream

extension Transfer {
  private func startPump() {
    guard pump == nil, case .stream(let buffer, let stream) = upload else { return }
    (stream as? any SendingObserver)?.sendingBegins()
    let (id, worker) = (id, order.worker)
    // Not structured: `send` returns with the answer's head, and the request may still be going
    // out. The transfer's end ends it, see `stopUpload`.
    pump = Task {
      do throws(CurlError) {
        try await buffer.pump(stream)
      } catch {
        worker.run { $0.cancel(id, error) }
      }
    }
  }

  /// The server has refused the request: what is left of it need not be sent.
  private func releaseUpload() {
    guard marks.isUploading else { return }
    isUploadReleased = true
    stopUpload()
  }

  private func stopUpload() {
    if case .stream(let buffer, _) = upload { buffer.stop() }
    pump.take()?.cancel()
  }
}
