import NIOCore

/// When a transfer has taken too long; a pure function of what is known about it.
struct Deadlines {
  /// How far a transfer has come.
  enum Phase {
    /// No byte of the request has left.
    case connecting
    /// The request is being sent, or its answer is waited for.
    case requesting
    /// The head of the answer is complete.
    case receiving
  }

  /// What is known about a transfer's progress.
  struct Marks {
    var phase = Phase.connecting
    /// When the TCP connection stood, if it is known to stand.
    var connected: NIODeadline?
    /// When bytes last moved, or were last allowed to.
    var moved: NIODeadline
    /// Whether it is the peer that bytes are waited for, rather than somebody on this side.
    var isPeersTurn = true
    /// Whether there is more of the request to be sent.
    var isUploading = false
  }

  /// What is to be done about a transfer now.
  enum Verdict: Equatable {
    case expired(CurlError)
    case next(NIODeadline)
  }

  private let connect: NIODeadline
  private let tls: TimeAmount
  private let stall: TimeAmount
  private let firstByte: NIODeadline
  private let total: NIODeadline?

  init(_ limits: TransferLimits, _ request: CurlRequest, started: NIODeadline) {
    connect = started + limits.connect
    tls = limits.tls
    stall = limits.stall
    firstByte = started + TimeAmount(bounding: request.firstByteTimeout)
    total = request.totalTimeout.map { started + TimeAmount(bounding: $0) }
  }

  /// Whether one of the deadlines has passed, else when the next one does.
  func verdict(_ marks: Marks, now: NIODeadline) -> Verdict {
    var limits = Limits(now: now)
    switch marks.phase {
    case .connecting:
      // Whatever ends this phase, nothing was sent; the error says so.
      limits.take(firstByte, .connectTimeout)
      limits.take(total, .connectTimeout)
      if let connected = marks.connected {
        limits.take(connected + tls, .tlsTimeout)
      } else {
        limits.take(connect, .connectTimeout)
      }
    case .requesting:
      limits.take(firstByte, .firstByteTimeout)
      limits.take(total, .totalTimeout)
      if marks.isUploading && marks.isPeersTurn { limits.take(marks.moved + stall, .stalled) }
    case .receiving:
      limits.take(total, .totalTimeout)
      if marks.isPeersTurn { limits.take(marks.moved + stall, .stalled) }
    }
    return limits.verdict
  }

  /// The deadlines that hold now, as far as they have been looked at; the first one that has passed
  /// counts.
  private struct Limits {
    let now: NIODeadline
    private(set) var verdict = Verdict.next(.distantFuture)

    init(now: NIODeadline) {
      self.now = now
    }

    mutating func take(_ deadline: NIODeadline?, _ error: CurlError) {
      guard let deadline, case .next(let earliest) = verdict else { return }
      verdict = deadline <= now ? .expired(error) : .next(min(earliest, deadline))
    }
  }
}

extension TimeAmount {
  /// At least nothing, at most a day.
  init(bounding duration: Duration) {
    self = TimeAmount(min(max(duration, .zero), .seconds(86_400)))
  }
}
