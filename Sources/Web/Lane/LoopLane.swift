import DequeModule
import NIOCore

/// The lane on one event loop: takes the calls of a turn of the loop step by step together.
///
/// Each step's code runs for all calls that are there before the next step's does. What the first
/// call brings into the processor's caches serves the others, and what is sent leaves in one burst,
/// which wakes a receiver once. Measured in `docs/performance.md`.
///
/// A turn takes in so many calls and no more, so that the loop's other work, the public listener's
/// among it, has its turn soon. A connection whose last call was refused waits behind all others:
/// who only collects refusals, as fast as it can, takes nobody's time.
final class LoopLane {
  /// Calls that one turn takes in, and of connections whose last call was refused.
  private static let most = (of: 64, refused: 4)
  /// Until what is left is looked at again; any time at all lets the loop see to its sockets first.
  private static let pause = TimeAmount.microseconds(50)

  private struct Arrival {
    let guardian: ByteGuard
    let request: LaneRequest
    let number: Int
  }

  private struct Written {
    let guardian: ByteGuard
    let number: Int
    let keepsAlive: Bool
  }

  let lane: Lane
  private let loop: any EventLoop
  private var arrived: Deque<Arrival> = []
  private var arrivedAfterRefusal: Deque<Arrival> = []
  private var beginsSoon = false
  private var written: [Written] = []

  init(_ lane: Lane, on loop: any EventLoop) {
    self.lane = lane
    self.loop = loop
  }

  /// Begins to answer at the end of the loop's turn; `number` is that of the connection's request.
  func begin(_ request: LaneRequest, for guardian: ByteGuard, number: Int) {
    let arrival = Arrival(guardian: guardian, request: request, number: number)
    if guardian.wasRefused {
      arrivedAfterRefusal.append(arrival)
    } else {
      arrived.append(arrival)
    }
    guard !beginsSoon else { return }
    beginsSoon = true
    soon { $0.beginSome() }
  }

  /// Lets an answer leave that was written, at the end of the loop's turn.
  func finish(_ guardian: ByteGuard, number: Int, keepsAlive: Bool) {
    written.append(Written(guardian: guardian, number: number, keepsAlive: keepsAlive))
    if written.count == 1 { soon { $0.finishAll() } }
  }

  private func beginSome() {
    beginsSoon = false
    for _ in 0..<Self.most.of {
      guard let one = arrived.popFirst() else { break }
      one.guardian.begin(one.request, lane, number: one.number)
    }
    for _ in 0..<Self.most.refused {
      guard let one = arrivedAfterRefusal.popFirst() else { break }
      one.guardian.begin(one.request, lane, number: one.number)
    }
    guard !arrived.isEmpty || !arrivedAfterRefusal.isEmpty, !beginsSoon else { return }
    beginsSoon = true
    let me = NIOLoopBound(self, eventLoop: loop)
    loop.scheduleTask(in: Self.pause) { me.value.beginSome() }
  }

  private func finishAll() {
    let batch = written
    written.removeAll(keepingCapacity: true)
    for one in batch { one.guardian.finishAnswer(number: one.number, keepsAlive: one.keepsAlive) }
  }

  private func soon(_ work: @escaping @Sendable (LoopLane) -> Void) {
    let me = NIOLoopBound(self, eventLoop: loop)
    loop.execute { work(me.value) }
  }
}

/// The lane on each of a listener's event loops.
struct Lanes: Sendable {
  private let byLoop: [ObjectIdentifier: NIOLoopBoundBox<LoopLane>]

  init(_ lane: Lane, on loops: some Sequence<any EventLoop>) {
    var byLoop: [ObjectIdentifier: NIOLoopBoundBox<LoopLane>] = [:]
    for loop in loops {
      byLoop[ObjectIdentifier(loop)] = NIOLoopBoundBox.makeBoxSendingValue(
        LoopLane(lane, on: loop), eventLoop: loop)
    }
    self.byLoop = byLoop
  }

  /// To be asked on that loop.
  subscript(loop: any EventLoop) -> LoopLane? { byLoop[ObjectIdentifier(loop)]?.value }
}
