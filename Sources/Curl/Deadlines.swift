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

  init(_ settings: CurlSettings, _ request: CurlRequest, started: NIODeadline) {
    connect = started + TimeAmount(bounding: settings.connectTimeout)
    tls = TimeAmount(bounding: settings.tlsTimeout)
    stall = TimeAmount(bounding: settings.stallTimeout)
    firstByte = started + TimeAmount(bounding: request.firstByteTimeout)
    total = request.totalTimeout.map { started + TimeAmount(bounding: $0) }
  }

  /// Whether one of the deadlines has passed, else when the next one does.
  func verdict(_ marks: Marks, now: NIODeadline) -> Verdict {
    var earliest = NIODeadline.distantFuture
    for (deadline, error) in limits(marks) {
      if deadline <= now { return .expired(error) }
      earliest = min(earliest, deadline)
    }
    return .next(earliest)
  }

  private func limits(_ marks: Marks) -> [(NIODeadline, CurlError)] {
    var limits: [(NIODeadline, CurlError)] = []
    switch marks.phase {
    case .connecting:
      // Whatever ends this phase, nothing was sent; the error says so.
      limits.append((firstByte, .connectTimeout))
      if let total { limits.append((total, .connectTimeout)) }
      if let connected = marks.connected {
        limits.append((connected + tls, .tlsTimeout))
      } else {
        limits.append((connect, .connectTimeout))
      }
    case .requesting:
      limits.append((firstByte, .firstByteTimeout))
      if let total { limits.append((total, .totalTimeout)) }
      if marks.isUploading && marks.isPeersTurn { limits.append((marks.moved + stall, .stalled)) }
    case .receiving:
      if let total { limits.append((total, .totalTimeout)) }
      if marks.isPeersTurn { limits.append((marks.moved + stall, .stalled)) }
    }
    return limits
  }
}

extension TimeAmount {
  /// At least nothing, at most a day.
  init(bounding duration: Duration) {
    self = TimeAmount(min(max(duration, .zero), .seconds(86_400)))
  }
}
