import Fields

/// What the guard knows of a request whose head it let pass.
struct RequestHead: Equatable {
  /// How the body is delimited.
  enum Framing: Equatable {
    case length(Int)
    case chunked
  }

  var isHEAD = false
  /// HTTP/1.0: the answer is not chunked, and the connection ends with it.
  var isOldVersion = false
  var framing = Framing.length(0)
  /// Whether the client wants the connection to stay.
  var keepsAlive = true
  var expectsContinue = false
}

extension RequestHead {
  /// Reads a complete head, from the method to the empty line.
  ///
  /// Stricter than any parser behind or in front of it, so that all of them read the same request.
  static func parse(_ bytes: Span<UInt8>) throws(Refusal) -> RequestHead {
    var head = RequestHead()
    var lineEnd = try endOfLine(bytes, from: 0)
    try head.readRequestLine(bytes.extracting(0..<lineEnd))
    var seen = SeenFields()
    var position = lineEnd + 2
    while true {
      lineEnd = try endOfLine(bytes, from: position)
      if lineEnd == position { break }
      try head.readField(bytes.extracting(position..<lineEnd), &seen)
      position = lineEnd + 2
    }
    guard seen.host else { throw .badHost }
    if seen.length && seen.chunked || seen.chunked && head.isOldVersion { throw .badFraming }
    if head.isOldVersion { head.keepsAlive = false }
    return head
  }

  private struct SeenFields {
    var host = false
    var length = false
    var chunked = false
  }

  private static func endOfLine(_ bytes: Span<UInt8>, from start: Int) throws(Refusal) -> Int {
    var index = start
    while index + 1 < bytes.count {
      if bytes[index] == 0x0D { return index }
      index += 1
    }
    throw .malformed
  }

  // MARK: Request line

  private mutating func readRequestLine(_ line: Span<UInt8>) throws(Refusal) {
    var space = 0
    while space < line.count, line[space] != 0x20 { space += 1 }
    let method = line.extracting(0..<space)
    guard space > 0, space < line.count, method.all(\.isTokenByte) else { throw .malformed }
    let rest = line.extracting((space + 1)..<line.count)
    // " HTTP/1.1"
    guard rest.count > 9 else { throw .malformed }
    let split = rest.count - 9
    try readVersion(rest.extracting(split..<rest.count))
    isHEAD = method.isText("HEAD")
    guard
      isHEAD || method.isText("GET") || method.isText("POST") || method.isText("PUT")
        || method.isText("PATCH") || method.isText("DELETE")
    else { throw .methodNotAllowed }
    try Self.checkTarget(rest.extracting(0..<split))
  }

  /// The path of a request line, or what stands in its place; empty when there is none.
  static func path(in head: some Collection<UInt8>) -> String {
    let line = head.prefix { $0 != 0x0D }
    let words = line.split(separator: 0x20, omittingEmptySubsequences: false)
    guard words.count > 1 else { return "" }
    return String(decoding: words[1].prefix { $0 != UInt8(ascii: "?") }, as: UTF8.self)
  }

  private mutating func readVersion(_ text: Span<UInt8>) throws(Refusal) {
    guard text.extracting(0..<6).isText(" HTTP/"), text[7] == UInt8(ascii: "."),
      isDigit(text[6]), isDigit(text[8])
    else { throw .malformed }
    guard text[6] == UInt8(ascii: "1"), text[8] <= UInt8(ascii: "1") else {
      throw .versionNotSupported
    }
    isOldVersion = text[8] == UInt8(ascii: "0")
  }

  private static func checkTarget(_ target: Span<UInt8>) throws(Refusal) {
    guard
      target[0] == UInt8(ascii: "/"),
      target.all({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") })
    else { throw .badTarget }
  }

  // MARK: Fields

  private mutating func readField(
    _ line: Span<UInt8>, _ seen: inout SeenFields
  ) throws(Refusal) {
    var colon = 0
    while colon < line.count, line[colon] != UInt8(ascii: ":") {
      // A space before the colon, and a folded line, fail here.
      guard line[colon].isTokenByte else { throw .malformed }
      colon += 1
    }
    guard colon > 0, colon < line.count else { throw .malformed }
    let name = line.extracting(0..<colon)
    let rest = line.extracting((colon + 1)..<line.count)
    let value = rest.extracting(rest.trimmedRange)
    guard value.isUTF8 else { throw .malformed }
    switch colon {
    case 4 where name.isField("host"):
      guard !seen.host, !value.isEmpty, value.all(isHostByte) else { throw .badHost }
      seen.host = true
    case 14 where name.isField("content-length"):
      guard !seen.length, let length = Self.length(value) else { throw .badFraming }
      seen.length = true
      framing = .length(length)
    case 17 where name.isField("transfer-encoding"):
      guard !seen.chunked, value.isField("chunked") else { throw .badFraming }
      seen.chunked = true
      framing = .chunked
    case 6 where name.isField("expect"):
      guard value.isField("100-continue") else { throw .expectationFailed }
      expectsContinue = true
    case 10 where name.isField("connection"):
      if value.hasListItem("close") { keepsAlive = false }
    case 7 where name.isField("upgrade"):
      // Never taken up; the decoder behind stops reading after such a request, so the connection
      // ends.
      keepsAlive = false
    default: break
    }
  }

  /// Digits only, no sign, no list, no leading zero, at most 18 digits.
  private static func length(_ value: Span<UInt8>) -> Int? {
    guard (1...18).contains(value.count), value.all(isDigit) else { return nil }
    guard value.count == 1 || value[0] != UInt8(ascii: "0") else { return nil }
    var length = 0
    for index in value.indices { length = length * 10 + Int(value[index] - UInt8(ascii: "0")) }
    return length
  }
}
