import Base
import Testing

@Suite struct `Store hashes` {
  @Test(arguments: ["a", "g5cd38", "z4zn3wo", "0123456789abcdef0123456789abcdef"])
  func `lower-case letters and digits are accepted`(_ text: String) {
    #expect(StoreHash(text)?.text == text)
    #expect(StoreHash(context: "stores/\(text)")?.text == text)
  }

  @Test(arguments: [
    "", "A", "store-x", "a/b", "a.b", "é", "a\n", "a ", "0123456789abcdef0123456789abcdef0", "a%2f",
    "..",
  ])
  func `anything else is refused`(_ text: String) {
    #expect(StoreHash(text) == nil)
    #expect(StoreHash(context: "stores/\(text)") == nil)
  }

  @Test func `a context of another form is refused`() {
    #expect(StoreHash(context: "store/abc") == nil)
    #expect(StoreHash(context: "stores/abc/def") == nil)
    #expect(StoreHash(context: "abc") == nil)
  }
}

@Suite struct `Store labels` {
  @Test(arguments: ["a", "7", "vip", "eu-west-1", "a-", String(repeating: "x", count: 32)])
  func `short words of letters, digits and dashes are accepted`(_ text: String) {
    #expect(StoreLabel(text)?.text == text)
  }

  @Test(arguments: [
    "", "-", "-a", "A", "a b", "a_b", "label:a", "*", "é", "a\n", "a,b",
    String(repeating: "x", count: 33),
  ])
  func `anything else is refused`(_ text: String) {
    #expect(StoreLabel(text) == nil)
  }
}

@Suite struct `Secrets` {
  private struct Holder {
    let token = Secret("canary")
  }

  @Test func `a secret never prints`() {
    var dumped = ""
    dump(Holder(), to: &dumped)
    for text in [
      "\(Secret("canary"))", String(reflecting: Secret("canary")), "\(Holder())", dumped,
    ] {
      #expect(!text.contains("canary"))
    }
  }

  @Test func `secrets are compared by their bytes`() {
    #expect(Secret("abc").matches("abc"))
    #expect(!Secret("abc").matches("abd"))
    #expect(!Secret("abc").matches("abcd"))
  }
}

@Suite struct `Text encodings` {
  @Test func `bytes survive both alphabets and hexadecimal`() {
    for count in 0..<70 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
      #expect(Base64.decodeURL(Base64.encodeURL(bytes)) == bytes)
      #expect(Hex.decode(Hex.encode(bytes)) == bytes)
    }
  }

  @Test(arguments: ["YQ", "YQ=", "YR==", "Y===", "YQ==YQ==", "Y Q=", "Y-==", "===="])
  func `base 64 that is not canonical is refused`(_ text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test(arguments: ["YR", "YQ==", "Y+", "Y", "YQ\n"])
  func `base 64 for URLs that is not canonical is refused`(_ text: String) {
    #expect(Base64.decodeURL(text) == nil)
  }
}

@Suite struct `Origins` {
  @Test(arguments: [
    ("https://api.bigcommerce.com", "https://api.bigcommerce.com"),
    ("https://API.bigcommerce.com:443/", "https://api.bigcommerce.com"),
    ("http://127.0.0.1:9000", "http://127.0.0.1:9000"), ("http://[::1]:80", "http://[::1]"),
    ("http://localhost:1", "http://localhost:1"),
  ])
  func `an origin is read and written in its normal form`(_ text: String, _ normal: String) {
    #expect(Origin(text)?.text == normal)
  }

  @Test(arguments: [
    "http://api.bigcommerce.com", "ftp://127.0.0.1", "https://", "https://a/b", "https://u@a",
    "https://a:0",
    "https://a:65536", "https://a:b", "https://a?x", "https://a#x", "//a", "a", "https://a b",
    "http://127.0.0.1.evil.example", "https://[::1", "https://[::1]x",
  ])
  func `anything more or less than an origin is refused`(_ text: String) {
    #expect(Origin(text) == nil)
  }
}

@Suite struct `Timestamps` {
  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000Z"), (951_782_400, "2000-02-29T00:00:00.000Z"),
    (4_107_542_399, "2100-02-28T23:59:59.000Z"), (4_107_542_400, "2100-03-01T00:00:00.000Z"),
    (-1, "1969-12-31T23:59:59.000Z"), (1_795_223_045, "2026-11-21T01:04:05.000Z"),
  ])
  func `a moment prints in UTC`(_ seconds: Int64, _ text: String) {
    #expect(Timestamp(seconds: seconds).description == text)
  }

  @Test func `fractions keep their milliseconds on both sides of 1970`() {
    #expect(Timestamp(microseconds: 1_234_567).description == "1970-01-01T00:00:01.234Z")
    #expect(Timestamp(microseconds: -1000).description == "1969-12-31T23:59:59.999Z")
  }
}

@Suite struct `Request IDs` {
  @Test(arguments: ["a", "A-b_c.d:9"]) func `a well-formed one is taken`(_ text: String) {
    #expect(RequestID(text)?.text == text)
  }

  @Test(arguments: ["", "a b", "a\r\nb", "é", String(repeating: "x", count: 129)])
  func `a malformed one is refused`(_ text: String) {
    #expect(RequestID(text) == nil)
  }

  @Test func `made ones differ and are well formed`() {
    let source = RequestIDSource(seed: .max)
    let made = Set((0..<1000).map { _ in source.next().text })
    #expect(made.count == 1000)
    #expect(made.allSatisfy { RequestID($0) != nil })
  }

  @Test func `a moment is read as it is written, and nothing else is one`() {
    for microseconds in [0, 1_000, 1_709_164_799_999_000, 1_709_251_200_000_000] as [Int64] {
      let moment = Timestamp(microseconds: microseconds)
      #expect(Timestamp(moment.description) == moment)
    }
    #expect(Timestamp("2026-01-31T09:30:00Z") == Timestamp(seconds: 1_769_851_800))
    #expect(Timestamp("2024-02-29T23:59:59.25Z") == Timestamp(microseconds: 1_709_251_199_250_000))
    for text in [
      "", "2026-01-31", "2026-01-31T09:30:00", "2026-01-31 09:30:00Z", "2026-02-29T00:00:00Z",
      "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00.Z",
      "2026-01-01T00:00:00.1234567Z", "2026-01-01T00:00:00+00:00", "+026-01-01T00:00:00Z",
    ] {
      #expect(Timestamp(text) == nil, "\(text)")
    }
  }
}
