import Base
import Foundation
import TestSupport
import Testing

@Suite struct `JSON under mutation` {
  /// A document of any shape, at most six levels deep.
  private func value(_ random: inout SeededGenerator, depth: Int = 0) -> JSONValue {
    switch Int.random(in: 0..<(depth < 6 ? 8 : 5), using: &random) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &random))
    case 2: return .number(number(&random))
    case 3, 4: return .string(text(&random))
    case 5:
      return .array(
        (0..<Int.random(in: 0..<5, using: &random)).map { _ in value(&random, depth: depth + 1) })
    default:
      var names: Set<String> = []
      var members: [JSONValue.Member] = []
      for _ in 0..<Int.random(in: 0..<5, using: &random) {
        let name = text(&random)
        if names.insert(name).inserted {
          members.append(.init(name, value(&random, depth: depth + 1)))
        }
      }
      return .object(members)
    }
  }

  private func number(_ random: inout SeededGenerator) -> String {
    let numbers = [
      "0", "-0", "-1", "9223372036854775807", "9223372036854775808", "1.50", "-0.5e-3", "1E+10",
      "3e5",
      "\(Int64.random(in: .min ... .max, using: &random))",
    ]
    return numbers.randomElement(using: &random) ?? "0"
  }

  private func text(_ random: inout SeededGenerator) -> String {
    let scalars: [Unicode.Scalar] = [
      "a", "b", "\"", "\\", "/", "\u{0}", "\u{1f}", "\n", "\t", "\u{7f}", "é", "\u{301}",
      "\u{2028}", "😀",
      "\u{ffff}", "\u{10ffff}", "{", ":", ",",
    ]
    var view = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0..<8, using: &random) {
      view.append(scalars.randomElement(using: &random) ?? "a")
    }
    return String(view)
  }

  @Test func `any document comes back as it was written`() throws {
    var random = SeededGenerator()
    for _ in 0..<count(ordinary: 2000, full: 50_000) {
      let document = value(&random)
      #expect(try JSONScanner.parse(document.encoded()) == document, "seed \(random.seed)")
      #expect(try JSONScanner.parse(document.prettyText) == document, "seed \(random.seed)")
    }
  }

  @Test func `no bytes trap, and what is read means the same when written again`() throws {
    var random = SeededGenerator()
    print("JSON under mutation: LATCHKEY_TEST_SEED=\(random.seed)")
    var accepted = 0
    for _ in 0..<count(ordinary: 20_000, full: 500_000) {
      let bytes = random.mutated(value(&random).encoded())
      guard let read = try? JSONScanner.parse(bytes) else { continue }
      accepted += 1
      #expect(try JSONScanner.parse(read.encoded()) == read, "seed \(random.seed)")
    }
    #expect(accepted > 100)
  }

  @Test func `random bytes of JSON's alphabet never trap`() {
    var random = SeededGenerator()
    let alphabet = Array("{}[]\",:\\u0dD8c1e+-.tfnrase \n\u{0}".utf8) + [0x80, 0xC3, 0xED, 0xFF]
    for _ in 0..<count(ordinary: 20_000, full: 1_000_000) {
      let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
        alphabet.randomElement(using: &random) ?? 0
      }
      _ = try? JSONScanner.parse(bytes)
    }
  }

  @Test func `what is read, Foundation reads as the same`() throws {
    var random = SeededGenerator()
    var compared = 0
    for _ in 0..<count(ordinary: 10_000, full: 200_000) {
      let bytes = random.mutated(value(&random).encoded())
      guard let read = try? JSONScanner.parse(bytes), isComparable(read) else { continue }
      let other = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
      let note = Comment(rawValue: "\(String(decoding: bytes, as: UTF8.self)) seed \(random.seed)")
      #expect(other.map { same(read, $0) } ?? false, note)
      compared += 1
    }
    #expect(compared > 100)
  }

  /// Foundation cannot hold some numbers, and drops byte order marks from texts.
  private func isComparable(_ value: JSONValue) -> Bool {
    switch value {
    case .number(let text): Double(text).map { $0.isFinite } ?? false
    case .array(let values): values.allSatisfy(isComparable)
    case .string(let text): !text.unicodeScalars.contains("\u{feff}")
    case .object(let members):
      members.allSatisfy { isComparable($0.value) && isComparable(.string($0.name)) }
    default: true
    }
  }

  /// Equal but for the last digits, which Foundation rounds in its own way.
  private func near(_ one: Double?, _ two: Double?) -> Bool {
    guard let one, let two else { return false }
    return abs(one - two) <= 1e-12 * max(abs(one), abs(two))
  }

  private func same(_ value: JSONValue, _ other: Any) -> Bool {
    switch value {
    case .null: other is NSNull
    case .bool(let flag): (other as? Bool) == flag
    case .number(let text): near((other as? NSNumber)?.doubleValue, Double(text))
    case .string(let text): (other as? String).map { Array($0.utf8) == Array(text.utf8) } ?? false
    case .array(let values):
      (other as? [Any]).map { $0.count == values.count && zip(values, $0).allSatisfy(same) }
        ?? false
    case .object(let members):
      (other as? [String: Any]).map { found in
        found.count == members.count
          && members.allSatisfy { member in
            found[member.name].map { same(member.value, $0) } ?? false
          }
      } ?? false
    }
  }

  @Test(arguments: [
    "[1]]", "[[1]", "{\"a\":[}", "{\"a\"}", "{\"a\":}", "{:1}", "{1:1}", "[,]", "[1,,2]", "{,}",
    "{\"a\":1 \"b\":2}", "tru", "truee", "nulll", "-", "--1", "1.e1", "1.5.5", "1e+", "00", "-01",
    "0x1",
    "Infinity", "-Infinity", "\"\\u12\"", "\"\\u123g\"", "\"\\U0041\"", "\"\\a\"", "\"\\\"",
    "\"a\nb\"",
    "\"\u{1f}\"", "\"\\udc00\"", "\"\\ud800\\ud800\"", "\"\\ud83d\\u0041\"", "/* */1", "1//",
    "\u{feff}1",
    "\u{a0}1", "1\u{0}", "\u{c}1", "{\"a\":1,\"a\":1}", "{\"\":1,\"\":2}",
    "[{\"a\":{\"b\":1,\"b\":1}}]",
  ])
  func `malformed texts are refused`(_ text: String) {
    #expect(throws: JSONError.self) { try JSONScanner.parse(text) }
  }

  @Test(arguments: [
    [0x22, 0x80, 0x22], [0x22, 0xC0, 0xAF, 0x22], [0x22, 0xC3, 0x22],
    [0x22, 0xED, 0xA0, 0x80, 0x22],
    [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0xF8, 0x88, 0x80, 0x80, 0x80, 0x22],
    [0x22, 0xFE, 0x22],
    [0xFF, 0xFE, 0x31, 0x00], [0x31, 0x00], [0x00],
  ])
  func `bytes that are not UTF-8 are refused`(_ bytes: [UInt8]) {
    #expect(throws: JSONError.self) { try JSONScanner.parse(bytes) }
  }

  @Test
  func `depth is counted for arrays and objects alike, and far depths do not overflow the stack`() {
    let nested = String(repeating: "{\"a\":[", count: 15) + "1" + String(repeating: "]}", count: 15)
    #expect(throws: Never.self) { try JSONScanner.parse(nested, depthLimit: 31) }
    #expect(throws: JSONError.tooDeep(limit: 30)) { try JSONScanner.parse(nested, depthLimit: 30) }
    for opening in ["[", "{\"a\":", "[{\"\":"] {
      let text = String(repeating: opening, count: 1_000_000)
      #expect(throws: JSONError.tooDeep(limit: 32)) { try JSONScanner.parse(text) }
    }
  }
}

@Suite struct `Text encodings under mutation` {
  @Test func `what base 64 reads is the one canonical text of its bytes`() {
    var random = SeededGenerator()
    for _ in 0..<count(ordinary: 20_000, full: 500_000) {
      let original = random.bytes(Int.random(in: 0..<40, using: &random))
      let text = String(
        decoding: random.mutated(Array(Base64.encode(original).utf8)), as: UTF8.self)
      if let bytes = Base64.decode(text) {
        #expect(Base64.encode(bytes) == text, "seed \(random.seed)")
        #expect(Data(base64Encoded: text) == Data(bytes), "seed \(random.seed)")
      }
      let url = String(
        decoding: random.mutated(Array(Base64.encodeURL(original).utf8)), as: UTF8.self)
      if let bytes = Base64.decodeURL(url) {
        #expect(Base64.encodeURL(bytes) == url, "seed \(random.seed)")
      }
    }
  }

  @Test func `bytes are written as Foundation writes them`() {
    var random = SeededGenerator()
    for length in 0..<200 {
      let bytes = random.bytes(length)
      #expect(Base64.encode(bytes) == Data(bytes).base64EncodedString())
    }
  }

  @Test(arguments: ["0", "0g", "g0", "0 ", " 00", "0x00", "００", "é"])
  func `hexadecimal of another form is refused`(_ text: String) {
    #expect(Hex.decode(text) == nil)
  }

  @Test func `hexadecimal reads both cases`() {
    #expect(Hex.decode("aAfF09") == [0xAA, 0xFF, 0x09])
    #expect(Hex.decode("") == [])
  }
}
