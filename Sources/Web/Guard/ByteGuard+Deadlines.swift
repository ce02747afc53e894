import NIOCore

// One timer per connection, set early enough and moved lazily: a request that comes and goes
// quickly touches no timer.
extension ByteGuard {
  private enum Due {
    case cut(ListenerCounters.Cut)
    case checkWriting
    case gone
    case lingered
  }

  /// Makes sure that the timer fires no later than the next deadline.
  func rearm() {
    guard let (deadline, _) = next() else { return }
    if let timer {
      if timer.at <= deadline { return }
      timer.task.cancel()
    }
    set(deadline)
  }

  /// Looks at how much of the output the client has not taken.
  func watchWriting() {
    guard let context, let options = context.channel.syncOptions else { return }
    let unsent: Int
    do {
      unsent = try options.getOption(.bufferedWritableBytes)
    } catch {
      // Not a socket (an embedded channel): nothing is buffered there.
      unsent = 0
    }
    guard unsent > 0 || writing.isWaiting else { return }
    writing.note(unsent: unsent, at: .now())
    if writing.isWaiting { rearm() }
  }

  private func set(_ deadline: NIODeadline) {
    guard let context else { return }
    let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
      [weak self] () -> Void in
      self?.fire()
    }
    timer = (deadline, task)
  }

  private func fire() {
    timer = nil
    guard let (deadline, due) = next() else { return }
    if deadline > .now() {
      set(deadline)
      return
    }
    switch due {
    case .cut(let cut): self.cut(cut)
    case .checkWriting: checkWriting()
    case .gone:
      state.counters.count(.gone)
      connection.markGone()
      abort()
    case .lingered: closeFully()
    }
  }

  private func next() -> (NIODeadline, Due)? {
    var earliest: (NIODeadline, Due)?
    func consider(_ deadline: NIODeadline?, _ due: Due) {
      guard let deadline else { return }
      if let current = earliest, current.0 <= deadline { return }
      earliest = (deadline, due)
    }
    switch phase {
    case .closed: return nil
    case .lingering(let deadline): return (deadline, .lingered)
    case .finishing: break
    case .head:
      if let since = clock.headSince {
        consider(since + TimeAmount(limits.headTime), .cut(.head))
      } else {
        consider(clock.idleSince + TimeAmount(limits.idle), .cut(.idle))
      }
    case .body: consider(clock.bodyDeadline(limits), .cut(.body))
    case .answering:
      consider(clock.goneSince.map { $0 + TimeAmount(limits.disconnectGrace) }, .gone)
    }
    consider(clock.handshakeSince.map { $0 + TimeAmount(limits.headTime) }, .cut(.handshake))
    if writing.isWaiting { consider(writingCheck, .checkWriting) }
    return earliest
  }

  private func checkWriting() {
    writingCheck = .now() + TimeAmount(limits.writeCheck)
    watchWriting()
    if writing.isTooSlow(limits, at: .now()) {
      cut(.write)
    } else {
      rearm()
    }
  }

  private func cut(_ cut: ListenerCounters.Cut) {
    state.counters.count(cut)
    switch cut {
    case .head: refuse(.tooSlow)
    case .body: answerHeadIsOut ? abort() : refuse(.tooSlow)
    case .idle: finish()
    case .handshake, .write, .gone: abort()
    }
  }
}
