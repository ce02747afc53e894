/// Makes request targets that try to leave `/stores/{own}/(v2|v3|graphql)`, from a seed.
///
/// Each line is a base, a place to go to, dots and slashes in one of many encodings, applied up to
/// four deep, and a bit of noise. Plain paths are mixed in, so that a validator which refuses
/// everything is not taken for a good one.
struct TraversalCorpus: Sequence, IteratorProtocol {
  static let ownStore = "own5tore"

  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> String? {
    let base = pick([
      "/stores/own5tore/v3/", "/stores/own5tore/v2/", "/stores/own5tore/graphql",
      "/stores/own5tore/",
      "/stores/own5tore", "/stores/", "/", "", "//", "/stores/own5tore/v3/catalog/products/",
      "/stores/own5tore/v3/hooks/",
    ])
    let tail = pick(["", "", "/", "?x=1", "?x=/../..", "%00.json", ";a=b", "#", ".", "%20", "//"])
    return base + (below(4) == 0 ? harmless() : climb()) + tail
  }

  /// What stands in ordinary paths, now and then with one character encoded.
  private mutating func harmless() -> String {
    let word = pick([
      "catalog", "products.json", "a..b", "..a", "7", "x-y_z~", "a%20b", "%C3%A9", "a:b@c,d",
    ])
    return below(2) == 0 ? word : word + encoded(pick(["a", "é", "-", ":", " ", "į", "中"]))
  }

  private mutating func climb() -> String {
    let ups = (0..<(1 + below(5))).map { _ in dots() + slash() }.joined()
    let place = pick([
      "stores/victim/v3/hooks", "victim/v3/catalog", "v3/../../victim/v2/orders",
      "accounts/7/graphql",
      "stores\(slash())victim\(slash())v3", "admin", "", "etc/passwd", "v1/internal",
    ])
    return pick(["", "", "", slash(), "a" + slash(), "catalog/", "x;", "%00", "@evil.example"])
      + ups + place
  }

  private mutating func dots() -> String {
    encoded(pick(["..", "..", "..", ".", "...", ".. ", ".;", "..;", ".%09."]))
  }

  private mutating func slash() -> String {
    encoded(pick(["/", "/", "/", "\\", "//", "/./", "\\/"]))
  }

  /// The text with each character raw or in one of the encodings that decoders have taken, and that
  /// encoding encoded again up to three times.
  private mutating func encoded(_ text: String) -> String {
    text.unicodeScalars.map { character in
      guard below(3) > 0 else { return String(character) }
      var written = String(character).utf8.map { encodedOnce($0) }.joined()
      for _ in 0..<pick([0, 0, 0, 0, 1, 1, 2, 3]) { written = encodedAgain(written) }
      return written
    }.joined()
  }

  private mutating func encodedOnce(_ byte: UInt8) -> String {
    switch below(8) {
    case 0, 1: Self.percent(byte, uppercase: false)
    case 2: Self.percent(byte, uppercase: true)
    case 3: "%u00" + Self.hex(byte)
    case 4:
      Self.percent(0xC0 | byte >> 6, uppercase: false)
        + Self.percent(0x80 | byte & 0x3F, uppercase: false)
    case 5:
      Self.percent(0xE0, uppercase: false) + Self.percent(0x80 | byte >> 6, uppercase: true)
        + Self.percent(0x80 | byte & 0x3F, uppercase: false)
    case 6: "%" + Self.hex(byte).utf8.map { Self.percent($0, uppercase: false) }.joined()
    default: Self.fullWidth(byte)
    }
  }

  /// Encodes the percent signs, or the digits behind them.
  private mutating func encodedAgain(_ text: String) -> String {
    let encodesSigns = below(2) == 0
    return text.utf8.map { byte in
      (byte == UInt8(ascii: "%")) == encodesSigns
        ? Self.percent(byte, uppercase: false) : String(decoding: [byte], as: UTF8.self)
    }.joined()
  }

  /// The full-width form, or for a dot the leader, as escaped UTF-8.
  private static func fullWidth(_ byte: UInt8) -> String {
    guard (0x21..<0x7F).contains(byte), let scalar = Unicode.Scalar(UInt32(byte) - 0x20 + 0xFF00)
    else {
      return percent(byte, uppercase: true)
    }
    return String(Character(scalar)).utf8.map { percent($0, uppercase: true) }.joined()
  }

  private static func percent(_ byte: UInt8, uppercase: Bool) -> String {
    "%" + (uppercase ? hex(byte).uppercased() : hex(byte))
  }

  private static func hex(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }

  /// SplitMix64.
  private mutating func random() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  private mutating func below(_ limit: Int) -> Int { Int(random() % UInt64(limit)) }

  private mutating func pick<Choice>(_ choices: [Choice]) -> Choice {
    choices[below(choices.count)]
  }
}
