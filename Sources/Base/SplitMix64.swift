/// A small generator of random numbers, the same for the same seed; for jitter, never for secrets.
package struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) {
    state = seed
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// From 0 to the limit.
  package mutating func number(upTo limit: Int64) -> Int64 {
    limit <= 0 ? 0 : Int64.random(in: 0...limit, using: &self)
  }

  /// A random part of the whole: full jitter.
  package mutating func part(of duration: Duration) -> Duration {
    .microseconds(number(upTo: duration.inMicroseconds))
  }
}
