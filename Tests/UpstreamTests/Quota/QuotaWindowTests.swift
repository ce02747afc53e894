import Base
import BigCommerce
import Fields
import HTTPTypes
import TestSupport
import Testing

@testable import Upstream

/// The platform's word: calls left of 150, and milliseconds until the reset.
private func told(left: Int, reset: Int, window: Int = 30_000) -> QuotaHeaders {
  QuotaHeaders([
    .quotaWindow: "\(window)", .quotaReset: "\(reset)", .quota: "150", .quotaLeft: "\(left)",
  ])
}

@Suite struct `Window of a quota` {
  /// A window at 100 s of which an answer told at 100 s.
  private func window(left: Int, reset: Int = 20_000) -> QuotaWindow {
    var window = QuotaWindow()
    window.take(
      told(left: left, reset: reset), sentAt: .seconds(99), now: .seconds(100), inFlight: 0)
    return window
  }

  @Test func `an answer out of turn may lower what is left, and not raise it`() {
    var window = window(left: 50)
    window.take(
      told(left: 60, reset: 19_500), sentAt: .seconds(99.5), now: .seconds(101), inFlight: 0)
    #expect(window.left == 50)
    window.take(
      told(left: 40, reset: 19_500), sentAt: .seconds(99.5), now: .seconds(101), inFlight: 0)
    #expect(window.left == 40)
  }

  @Test func `an answer to a call sent later is the truth, also when there is more`() {
    var window = window(left: 50)
    window.take(
      told(left: 80, reset: 18_000), sentAt: .seconds(101), now: .seconds(102), inFlight: 0)
    #expect(window.left == 80)
  }

  @Test func `the reset is taken at its latest, and each answer may bring it nearer`() {
    var window = window(left: 50)
    #expect(window.resetsAt == .seconds(120))
    window.take(
      told(left: 49, reset: 18_500), sentAt: .seconds(100.5), now: .seconds(101), inFlight: 0)
    #expect(window.resetsAt == .seconds(119.5))
  }

  @Test func `after the reset the whole quota is there, until an answer tells`() {
    var window = window(left: 3)
    let (early, due) = (window.roll(.seconds(119)), window.roll(.seconds(120)))
    #expect(!early && due)
    #expect(window.left == 150)
    #expect(window.resetsAt == nil)
  }

  @Test func `an answer of the window before does not spoil the new one`() {
    var late = window(left: 3)
    _ = late.roll(.seconds(120))
    late.take(told(left: 0, reset: 10), sentAt: .seconds(119), now: .seconds(120.1), inFlight: 1)
    #expect(late.left == 149 && late.resetsAt == nil)
    late.take(
      told(left: 140, reset: 29_000), sentAt: .seconds(120.5), now: .seconds(121), inFlight: 1)
    late.take(told(left: 0, reset: 10), sentAt: .seconds(119), now: .seconds(121.1), inFlight: 0)
    #expect(late.left == 139)
    #expect(late.resetsAt == .seconds(150))
  }

  @Test func `a window that begins early, or becomes shorter, is believed`() {
    var window = window(left: 3, reset: 2000)
    window.take(
      told(left: 149, reset: 30_000), sentAt: .seconds(100.5), now: .seconds(101), inFlight: 0)
    #expect(window.left == 149 && window.resetsAt == .seconds(131))
    window.take(
      told(left: 9, reset: 900, window: 1000), sentAt: .seconds(101.5), now: .seconds(102),
      inFlight: 0)
    #expect(window.left == 9 && window.resetsAt == .milliseconds(102_900))
    #expect(window.size == .seconds(1))
  }

  @Test func `a reset that is rounded down does not make a new window of every quick call`() {
    var window = QuotaWindow()
    // The window ends at 130.0009 s, and a call is there and back within 300 µs.
    for call in 0..<40 {
      let sentAt = Duration.microseconds(100_000_000 + call * 400)
      let rest = Duration.microseconds(130_000_900) - sentAt - .microseconds(150)
      window.take(
        told(left: 149 - call, reset: Int(rest / .milliseconds(1))), sentAt: sentAt,
        now: sentAt + .microseconds(300), inFlight: 0)
    }
    #expect(window.left == 110)
    #expect(window.spare(.milliseconds(100_016), inFlight: 0) == 110, "no stranger has called")
  }

  @Test func `nor does one in whole seconds`() {
    var window = QuotaWindow()
    for call in 0..<40 {
      let sentAt = Duration.milliseconds(100_000 + call * 300)
      let rest = Duration.milliseconds(130_900) - sentAt
      let words = QuotaHeaders([
        .quota: "150", .quotaLeft: "\(149 - call)",
        .quotaResetSeconds: "\(rest.components.seconds)",
      ])
      window.take(words, sentAt: sentAt, now: sentAt + .milliseconds(5), inFlight: 0)
    }
    #expect(window.left == 110)
    #expect(window.spare(.seconds(112), inFlight: 0) == 110, "no stranger has called")
  }

  @Test func `the names that circulate in guides are enough`() {
    var window = QuotaWindow()
    let words = QuotaHeaders([
      .quotaRemaining: "0", .quotaResetSeconds: "5",
    ])
    window.take(words, sentAt: .seconds(99), now: .seconds(100), inFlight: 0)
    #expect(window.left == 0)
    #expect(window.resetsAt == .seconds(105))
    _ = window.roll(.seconds(105))
    #expect(window.left == nil, "nobody has told how many there are")
  }

  @Test func `a word without a reset does not hold for ever`() {
    var window = QuotaWindow()
    window.take(
      QuotaHeaders([.quotaLeft: "0"]), sentAt: .seconds(99), now: .seconds(100), inFlight: 0)
    #expect(window.resetsAt == .seconds(130))
  }

  @Test func `what strangers use is measured, and kept for them`() {
    var window = QuotaWindow()
    // Half of the window is over: we have made 10 calls, 60 are gone.
    for call in 1...10 {
      window.take(
        told(left: 150 - call * 6, reset: 30_000 - call * 1500), sentAt: .seconds(100),
        now: .seconds(100) + .milliseconds(call * 1500), inFlight: 0)
    }
    // 50 of theirs in 15 s, weighed with a quarter of a window without any: 33 until the reset.
    let spare = window.spare(.seconds(115), inFlight: 0) ?? 0
    #expect((56...58).contains(spare), "\(spare)")
    #expect(window.spare(.seconds(115), inFlight: 20) == spare - 20)
  }
}
