import Base
import Testing

@Suite struct `Strict JSON` {
  @Test func `a document is read with its members in order and numbers as written`() throws {
    let value = try JSONScanner.parse(
      #"{"b":[1,-0.5e3,true,null],"a":{"x":"\u00e9\ud83d\ude00\n"}}"#)
    #expect(
      value
        == .object([
          .init("b", .array([.number("1"), .number("-0.5e3"), .bool(true), .null])),
          .init("a", .object([.init("x", .string("é😀\n"))])),
        ]))
  }

  @Test(arguments: [
    "", " ", "{", "[1,]", "{\"a\":1,}", "{'a':1}", "01", "+1", "1.", ".5", "1e", "nul", "tru",
    "\"\t\"",
    "\"\\x\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "1 2", "{\"a\" 1}", "[1 2]", "\"abc", "NaN",
    "-",
  ])
  func `anything but one JSON value is refused`(_ text: String) {
    #expect(throws: JSONError.self) { try JSONScanner.parse(text) }
  }

  @Test func `a name that stands twice is refused`() {
    #expect(throws: JSONError.duplicateName("a")) { try JSONScanner.parse(#"{"a":1,"\u0061":2}"#) }
  }

  @Test func `invalid UTF-8 in a string is refused`() {
    #expect(throws: JSONError.invalidText(offset: 1)) {
      try JSONScanner.parse([UInt8(ascii: "\""), 0xFF, UInt8(ascii: "\"")])
    }
  }

  @Test func `depth is bounded`() {
    let text = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
    #expect(throws: JSONError.tooDeep(limit: 32)) { try JSONScanner.parse(text) }
  }

  @Test func `what is written is read back the same`() throws {
    let value: JSONValue = [
      "text": "quote \" slash \\ control \u{1} é", "numbers": [1, 9_007_199_254_740_993],
      "none": nil,
    ]
    #expect(try JSONScanner.parse(value.encoded()) == value)
    #expect(try JSONScanner.parse(value.prettyText) == value)
  }
}
