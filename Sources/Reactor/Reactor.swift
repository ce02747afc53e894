package import NIOCore
import Synchronization

/// Foreign file descriptors on NIO event loops.
///
/// Each loop has an epoll set of its own; one thread for the whole process sleeps over these sets
/// and only pokes a loop that has something to do. Handlers are called on the loop's thread, so a
/// C handle that belongs to a loop needs no lock. Shut the reactor down before the loops.
package final class Reactor: Sendable {
  /// The loops that descriptors can be registered on.
  package let loops: [any EventLoop]

  private let sets: [NIOLoopBoundBox<PollSet>]
  let watcher: Watcher
  private let turn = Atomic<Int>(0)
  private let isShutDown = Atomic<Bool>(false)

  /// Gives each loop its epoll set and starts the watcher thread.
  package init(loops: [any EventLoop]) throws(ReactorError) {
    precondition(!loops.isEmpty, "a reactor needs an event loop")
    var sets: [NIOLoopBoundBox<PollSet>] = []
    var descriptors: [Int32] = []
    for loop in loops {
      let set = try PollSet()
      descriptors.append(set.descriptor)
      sets.append(NIOLoopBoundBox.makeBoxSendingValue(set, eventLoop: loop))
    }
    watcher = try Watcher(sets: descriptors, pokes: Self.pokes(sets))
    self.loops = loops
    self.sets = sets
  }

  /// The loops in turn, one per call.
  package func next() -> any EventLoop {
    let count = turn.wrappingAdd(1, ordering: .relaxed).oldValue
    return loops[Int(UInt(bitPattern: count) % UInt(loops.count))]
  }

  /// The loop whose thread this is, if it is one of the reactor's.
  package var current: (any EventLoop)? {
    loops.first { $0.inEventLoop }
  }

  /// Watches a descriptor; to be called on the loop's thread.
  ///
  /// - Parameters:
  ///   - fd: stays its owner's; must not be in the loop's set already.
  ///   - loop: one of `loops`.
  ///   - interest: what to wait for; may be empty for now.
  ///   - handler: called on the loop's thread, as long as the descriptor is ready (level-triggered)
  ///     and until `Registration.cancel()`. It may register, update and cancel.
  /// - Returns: the registration, to be cancelled before the descriptor is closed.
  /// - Throws: `foreignLoop`, `shutDown`, or what epoll said.
  package func register(
    fd: Int32, on loop: any EventLoop, interest: Readiness,
    handler: @escaping (Readiness) -> Void
  ) throws(ReactorError) -> Registration {
    guard let index = loops.firstIndex(where: { $0 === loop }) else { throw .foreignLoop }
    let token = try sets[index].value.register(fd, interest: interest, handler: handler)
    return Registration(token: token, set: sets[index])
  }

  /// How many registrations the loop has.
  ///
  /// To be called on the loop's thread.
  package func registrationCount(on loop: any EventLoop) -> Int {
    sets.first { $0.eventLoop === loop }?.value.count ?? 0
  }

  /// Ends the watcher thread and closes the epoll sets.
  ///
  /// Registrations end without being told.
  package func shutdown() async {
    guard !isShutDown.exchange(true, ordering: .acquiringAndReleasing) else { return }
    await watcher.end(on: loops[0])
    for set in sets {
      // Fails only when the loop is gone already, and then nobody can use the set.
      try? await set.eventLoop.submit { set.value.close() }.get()
    }
  }

  private static func pokes(_ sets: [NIOLoopBoundBox<PollSet>]) -> [Watcher.Poke] {
    sets.enumerated().map { index, set in
      { watcher in
        set.eventLoop.execute {
          set.value.drain()
          // Last, so that one poke serves everything that is there.
          watcher.rearm(index)
        }
      }
    }
  }
}
