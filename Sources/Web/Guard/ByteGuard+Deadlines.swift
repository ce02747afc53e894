import Linux
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

  /// Begins to watch the client when it has not taken all that was written, as far as this process
  /// holds it; the kernel is asked later, and only while there is reason to.
  func watchWriting() {
    writing.bytesAtLook = writing.bytes
    guard !writing.isWaiting, heldHere > 0 else { return }
    writing.note(unsent: unsent, at: .now())
    rearm()
  }

  /// The same after an answer that left whole: to ask the socket costs as much as to write.
  ///
  /// So it is asked once in 64 KiB, and when the client has sent on before it had this answer, for it
  /// may never read. A client that sends nothing more is looked after while it is idle.
  func watchWritingOfMany() {
    guard pending.readableBytes > 0 || writing.bytes &- writing.bytesAtLook >= 65_536 else {
      return
    }
    watchWriting()
  }

  /// Bytes that the socket did not take yet.
  private var heldHere: Int {
    guard let options = context?.channel.syncOptions else { return 0 }
    do {
      return try options.getOption(.bufferedWritableBytes)
    } catch {
      // Not a socket (an embedded channel): nothing is buffered there.
      return 0
    }
  }

  /// Bytes that the client has not taken, whoever holds them.
  private var unsent: Int {
    var unconfirmed: Int?
    do {
      unconfirmed = try context?.channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
        of: NIOBSDSocket.Handle.self
      ) { SendQueue.unconfirmed(of: $0) ?? 0 }
    } catch {
      // The socket is closed, and nothing is held for it.
      unconfirmed = nil
    }
    return heldHere + (unconfirmed ?? 0)
  }

  private func set(_ deadline: NIODeadline) {
    guard let context else { return }
    // Keeps the guard until the connection ends, which cancels it. A weak reference would make
    // each use of the guard dearer.
    let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.fire() }
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
        if answerMayWait, !writing.isWaiting {
          consider(clock.idleSince + TimeAmount(limits.writeLook), .checkWriting)
        }
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
    // The first look after an answer comes late; the client has had its time from its end.
    let isFirst = if case .head = phase { !writing.isWaiting } else { false }
    writing.note(unsent: unsent, at: .now(), since: isFirst ? clock.idleSince : nil)
    answerMayWait = writing.isWaiting
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
