/// What heads of requests and answers are made of, byte by byte.
extension Span<UInt8> {
  /// Whether these are exactly the bytes of `text`.
  package func isText(_ text: String) -> Bool { isText(text.utf8.span) }

  package func isText(_ text: Span<UInt8>) -> Bool {
    guard count == text.count else { return false }
    for index in indices where self[index] != text[index] { return false }
    return true
  }

  /// Whether these are the bytes of `text`, which is in lower case, in any case.
  package func isField(_ text: String) -> Bool {
    count == text.utf8.count && beginsInAnyCase(with: text)
  }

  /// Whether the first of these are the bytes of `text`, which is in lower case, in any case.
  package func beginsInAnyCase(with text: String) -> Bool {
    let text = text.utf8.span
    guard count >= text.count else { return false }
    for index in text.indices where self[index].inLowerCase != text[index] { return false }
    return true
  }

  /// The part without spaces and tabs at both ends.
  package var trimmedRange: Range<Int> {
    var start = 0
    var end = count
    while start < end, self[start].isBlank { start += 1 }
    while end > start, self[end - 1].isBlank { end -= 1 }
    return start..<end
  }

  /// Whether the bytes are UTF-8, so that the text made of them has the same bytes.
  package var isUTF8: Bool { (try? UTF8Span(validating: self)) != nil }

  /// No control bytes but the tab.
  package var hasOnlyFieldBytes: Bool {
    for index in indices where !self[index].isFieldByte { return false }
    return true
  }

  /// RFC 9110, 5.6.2, and no longer than any name that passes.
  package var isToken: Bool {
    guard !isEmpty, count <= Int(UInt16.max) else { return false }
    for index in indices where !self[index].isTokenByte { return false }
    return true
  }

  /// Only such bytes, and no blank at either end.
  var isFieldValue: Bool {
    guard !isEmpty else { return true }
    return hasOnlyFieldBytes && !self[0].isBlank && !self[count - 1].isBlank
  }
}

// In place wherever they are asked: a head is looked through byte by byte.
extension UInt8 {
  /// The letter in lower case; any other byte as it is.
  @inlinable package var inLowerCase: UInt8 {
    UInt8(ascii: "A") <= self && self <= UInt8(ascii: "Z") ? self | 0x20 : self
  }

  /// RFC 9110, `tchar`.
  @inlinable package var isTokenByte: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"),
      UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
      UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
      UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
      true
    default: false
    }
  }

  /// Any but control bytes; the tab is none.
  @inlinable package var isFieldByte: Bool { self >= 0x20 && self != 0x7F || self == 0x09 }

  var isBlank: Bool { self == 0x20 || self == 0x09 }
}
