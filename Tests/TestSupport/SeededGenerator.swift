package import Base

#if canImport(Glibc)
  import Glibc
#endif

/// Random numbers that a failing test can be given again: print ``seed`` with the failure.
///
/// The seed comes from `LATCHKEY_TEST_SEED`, or is new in each run.
package struct SeededGenerator: RandomNumberGenerator {
  package let seed: UInt64
  private var state: UInt64

  package init() {
    let given = unsafe getenv("LATCHKEY_TEST_SEED").map { unsafe String(cString: $0) }
    self.init(seed: given.flatMap { UInt64($0) } ?? UInt64.random(in: .min ... .max))
  }

  package init(seed: UInt64) {
    self.seed = seed
    state = seed
  }

  /// SplitMix64.
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  package mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &self) }
  }

  /// A source of random bytes that continues from here.
  package mutating func source() -> RandomSource {
    let start = next()
    return RandomSource { count in
      // Each call begins anew but for its length: enough for values made of parts of different
      // lengths.
      var generator = SeededGenerator(seed: start &+ UInt64(count))
      return generator.bytes(count)
    }
  }

  /// The bytes with one to four random changes: replaced, removed, inserted, repeated, swapped, cut
  /// off.
  package mutating func mutated(_ original: [UInt8]) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...4, using: &self) { mutateOnce(&bytes) }
    return bytes
  }

  private mutating func mutateOnce(_ bytes: inout [UInt8]) {
    let random = UInt8.random(in: .min ... .max, using: &self)
    guard let index = bytes.indices.randomElement(using: &self) else {
      bytes.append(random)
      return
    }
    switch Int.random(in: 0..<8, using: &self) {
    case 0: bytes[index] ^= 1 << (random % 8)
    case 1: bytes[index] = random
    case 2: bytes.remove(at: index)
    case 3: bytes.insert(random, at: index)
    case 4: bytes.insert(bytes[index], at: index)
    case 5: bytes.swapAt(index, Int(random) % bytes.count)
    case 6: bytes.removeLast(Int(random) % bytes.count)
    default:
      bytes[index] = UInt8(ascii: ["a", "z", "0", "_", "=", ".", "\"", "\\"][Int(random % 8)])
    }
  }
}
