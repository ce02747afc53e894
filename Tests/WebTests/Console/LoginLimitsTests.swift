import Testing

@testable import Web

@Suite struct `Login limits` {
  @Test func `five failures from an address are all at once, then one a minute`() {
    var limits = LoginLimits()
    for _ in 0..<5 { #expect(limits.admit("10.0.0.1", now: .zero) == nil) }
    #expect(limits.admit("10.0.0.1", now: .zero) == .seconds(60))
    #expect(limits.admit("10.0.0.1", now: .seconds(59)) != nil)
    #expect(limits.admit("10.0.0.1", now: .seconds(61)) == nil)
    #expect(limits.admit("10.0.0.1", now: .seconds(61)) != nil)
  }

  @Test func `other addresses are not held up`() {
    var limits = LoginLimits()
    for _ in 0..<20 { _ = limits.admit("10.0.0.1", now: .zero) }
    #expect(limits.admit("10.0.0.2", now: .zero) == nil)
  }

  @Test func `a login that succeeds does not count`() {
    var limits = LoginLimits()
    for _ in 0..<50 {
      #expect(limits.admit("10.0.0.1", now: .zero) == nil)
      limits.succeeded("10.0.0.1", now: .zero)
    }
  }

  @Test func `what is refused does not count either`() {
    var limits = LoginLimits()
    for _ in 0..<1000 { _ = limits.admit("10.0.0.1", now: .zero) }
    #expect(limits.admit("10.0.0.1", now: .seconds(61)) == nil)
  }

  @Test func `all addresses together may fail a hundred times at once, in the same memory`() {
    var limits = LoginLimits()
    var admitted = 0
    for number in 0..<5000
    where limits.admit("10.1.\(number / 256).\(number % 256)", now: .zero) == nil {
      admitted += 1
    }
    #expect(admitted == 100)
    #expect(limits.admit("10.9.9.9", now: .milliseconds(500)) != nil)
    #expect(limits.admit("10.9.9.9", now: .milliseconds(1300)) == nil)
  }
}
