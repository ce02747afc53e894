import Base
import NIOCore
import Testing

@testable import Curl

@Suite struct `Deadlines of a transfer` {
  private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

  private func deadlines(
    total: Duration? = nil, firstByte: Duration = .seconds(30)
  ) throws -> Deadlines {
    let request = CurlRequest(
      origin: try #require(Origin("https://a.example")), target: "/", firstByteTimeout: firstByte,
      totalTimeout: total)
    return Deadlines(TransferLimits(CurlSettings()), request, started: start)
  }

  private func verdict(
    _ deadlines: Deadlines, at seconds: Int64, _ change: (inout Deadlines.Marks) -> Void = { _ in }
  ) -> Deadlines.Verdict {
    var marks = Deadlines.Marks(moved: start)
    change(&marks)
    return deadlines.verdict(marks, now: start + .seconds(seconds))
  }

  @Test func `a connection has three seconds, TLS five more`() throws {
    #expect(try verdict(deadlines(), at: 2) == .next(start + .seconds(3)))
    #expect(try verdict(deadlines(), at: 3) == .expired(.connectTimeout))
    let connected: (inout Deadlines.Marks) -> Void = { $0.connected = self.start + .seconds(1) }
    #expect(try verdict(deadlines(), at: 3, connected) == .next(start + .seconds(6)))
    #expect(try verdict(deadlines(), at: 6, connected) == .expired(.tlsTimeout))
  }

  @Test func `a deadline that passes before anything was sent says so`() throws {
    #expect(try verdict(deadlines(firstByte: .seconds(1)), at: 1) == .expired(.connectTimeout))
    #expect(try verdict(deadlines(total: .seconds(1)), at: 1) == .expired(.connectTimeout))
  }

  @Test func `an answer has until the caller's deadline to begin`() throws {
    #expect(
      try verdict(deadlines(), at: 29) { $0.phase = .requesting } == .next(start + .seconds(30)))
    #expect(
      try verdict(deadlines(), at: 30) { $0.phase = .requesting } == .expired(.firstByteTimeout))
    let uploading: (inout Deadlines.Marks) -> Void = {
      $0.phase = .requesting
      $0.isUploading = true
    }
    #expect(try verdict(deadlines(), at: 15, uploading) == .expired(.stalled))
    #expect(
      try verdict(deadlines(), at: 15) {
        uploading(&$0)
        $0.isPeersTurn = false
      } == .next(start + .seconds(30)))
  }

  @Test func `bytes of a body may be fifteen seconds apart unless they are held back`() throws {
    #expect(
      try verdict(deadlines(), at: 14) { $0.phase = .receiving } == .next(start + .seconds(15)))
    #expect(try verdict(deadlines(), at: 15) { $0.phase = .receiving } == .expired(.stalled))
    let held: (inout Deadlines.Marks) -> Void = {
      $0.phase = .receiving
      $0.isPeersTurn = false
    }
    #expect(try verdict(deadlines(), at: 9999, held) == .next(.distantFuture))
    #expect(try verdict(deadlines(total: .seconds(99)), at: 99, held) == .expired(.totalTimeout))
  }

  @Test func `durations beyond reason are cut to a day`() {
    #expect(TimeAmount(bounding: .seconds(Int64.max)) == .hours(24))
    #expect(TimeAmount(bounding: .seconds(-1)) == .zero)
  }
}
