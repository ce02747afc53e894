import Glibc
import NIOCore
import TestSupport
import Testing

@testable import Reactor

@Suite struct `What a reactor leaves behind` {
  @Test func `nothing, however its registrations end`() async throws {
    try await expectNothingLeft(after: count(ordinary: 30, full: 600)) { round in
      let pairs = try (0..<40).map { _ in try SocketPair() }
      try await withReactor(loops: 2) { reactor in
        let tally = Tally()
        for (number, pair) in pairs.enumerated() {
          let loop = reactor.loops[number % 2]
          try await loop.submit {
            let registration = try reactor.register(
              fd: pair.first, on: loop, interest: number.isMultiple(of: 5) ? [] : .readable
            ) { _ in tally.add("\(number)") }
            // A third ends at once, a third never; the others hear of something first.
            if number % 3 == 0 { registration.cancel() }
          }.get()
          if number % 3 == 1 { pair.send("x") }
          if number % 4 == 3 { shutdown(pair.second, Int32(SHUT_RDWR)) }
        }
        if round.isMultiple(of: 2) { try await tally.wait(for: 5) }
      }
      for pair in pairs { pair.closeBoth() }
    }
  }

  @Test func `not even itself, nor its loops`() async throws {
    weak var watcher: Watcher?
    weak var loop: (any EventLoop)?
    try await withReactor(loops: 2) { reactor in
      // Poked at least once, so that what a poke takes along is there, too.
      let pair = try SocketPair()
      let tally = Tally()
      _ = try await reactor.loops[0].submit {
        try reactor.register(fd: pair.first, on: reactor.loops[0], interest: .readable) { _ in
          tally.add("")
        }
      }.get()
      pair.send("x")
      try await tally.wait(for: 1)
      watcher = reactor.watcher
      loop = reactor.loops[0]
      pair.closeBoth()
    }
    // The loop's thread drops what it held when it ends.
    let isGone = try await eventually { watcher == nil && loop == nil }
    #expect(isGone)
  }
}
