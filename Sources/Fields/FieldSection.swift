/// The header fields of a request or an answer: lines of a name and a value each, in their order.
///
/// The bytes of all lines stand in one piece of memory, and a list says where each begins, so a
/// section costs two allocations however many fields it has, and reading it costs none. Names are
/// kept as they are spelled and compared in any case.
///
/// Values hold no line ends and no NUL: whoever appends bytes has seen to that, and values that are
/// appended as text are put right. A request is looked through once more before it is sent.
/// - Source: RFC 9110, 5 (field section, field line).
package struct FieldSection: Sendable {
  /// One field, whose bytes in the section are `name: value` and a line end.
  package struct Line: Sendable {
    package let name: FieldName
    fileprivate let nameLength: UInt16
    fileprivate var start: UInt32
    fileprivate let valueLength: UInt32

    /// Name, colon, space and value among the section's bytes.
    package var range: Range<Int> { Int(start)..<(valueStart + Int(valueLength)) }
    /// The same with the line's end.
    fileprivate var wholeRange: Range<Int> { Int(start)..<(valueStart + Int(valueLength) + 2) }
    package var nameRange: Range<Int> { Int(start)..<(Int(start) + Int(nameLength)) }
    package var valueRange: Range<Int> { valueStart..<(valueStart + Int(valueLength)) }

    private var valueStart: Int { Int(start) + Int(nameLength) + 2 }
  }

  package internal(set) var bytes: [UInt8] = []
  package private(set) var lines: [Line] = []

  package init() {}

  /// A section with room for so many bytes and lines.
  package init(bytes: Int, lines: Int) {
    self.bytes.reserveCapacity(bytes)
    self.lines.reserveCapacity(lines)
  }

  /// A section among whose bytes lines stand already that are still to be appended.
  init(adopting bytes: [UInt8], lines: Int) {
    self.bytes = bytes
    self.lines.reserveCapacity(lines)
  }
}

// MARK: Reading

extension FieldSection {
  package var count: Int { lines.count }

  /// The line's name as it is spelled.
  package func name(of line: Line) -> String { text(line.nameRange) }

  package func value(of line: Line) -> String { text(line.valueRange) }

  /// Names and values as text.
  package var pairs: [(name: String, value: String)] {
    lines.map { (name(of: $0), value(of: $0)) }
  }

  package func has(_ name: FieldName) -> Bool {
    for line in lines where line.name == name { return true }
    return false
  }

  /// The value of the first field of that name; to set it leaves one, in the first one's place.
  package subscript(name: FieldName) -> String? {
    get {
      for line in lines where line.name == name { return value(of: line) }
      return nil
    }
    set {
      let place = lines.firstIndex { $0.name == name }
      lines.removeAll { $0.name == name }
      guard let newValue else { return }
      append(name, newValue)
      if let place, place < lines.count - 1 { lines.insert(lines.removeLast(), at: place) }
    }
  }

  /// The value of the one field of that name; `nil` when there is none, or more than one.
  package func only(_ name: FieldName) -> String? {
    var found: Line?
    for line in lines where line.name == name {
      guard found == nil else { return nil }
      found = line
    }
    return found.map { value(of: $0) }
  }

  /// The values of all fields of that name.
  package func all(_ name: FieldName) -> [String] {
    lines.filter { $0.name == name }.map { value(of: $0) }
  }

  /// Whether the first field of that name has that value.
  package func first(_ name: FieldName, is text: String) -> Bool {
    for line in lines where line.name == name {
      return bytes.span.extracting(line.valueRange).isText(text)
    }
    return false
  }

  /// Whether the line's name begins with that text in lower case.
  package func hasName(_ line: Line, beginningWith text: String) -> Bool {
    bytes.span.extracting(line.nameRange).beginsInAnyCase(with: text)
  }

  package func hasName(_ line: Line, containing byte: UInt8) -> Bool {
    let bytes = bytes.span.extracting(line.nameRange)
    for index in bytes.indices where bytes[index] == byte { return true }
    return false
  }

  /// Calls `body` with the bytes of the lines that pass, as they go out; lines that stand one behind
  /// the other come together.
  package func forEachPiece(where passes: (Line) -> Bool, _ body: (ArraySlice<UInt8>) -> Void) {
    var piece = 0..<0
    for line in lines where passes(line) {
      let range = line.wholeRange
      if range.lowerBound == piece.upperBound {
        piece = piece.lowerBound..<range.upperBound
        continue
      }
      if !piece.isEmpty { body(bytes[piece]) }
      piece = range
    }
    if !piece.isEmpty { body(bytes[piece]) }
  }

  private func text(_ range: Range<Int>) -> String {
    String(decoding: bytes[range], as: UTF8.self)
  }
}

// MARK: Writing

extension FieldSection {
  /// Appends a field whose value holds no line end and no NUL.
  ///
  /// - Returns: the name, if it is known; `nil`, and nothing is appended, when it is no token.
  @discardableResult
  package mutating func append(_ name: Span<UInt8>, _ value: Span<UInt8>) -> FieldName? {
    let known = FieldName.named(name)
    guard known != .other || name.isToken else { return nil }
    write(known, name, value)
    return known
  }

  /// Appends a field under a name that is known.
  package mutating func append(_ name: FieldName, _ value: String) {
    guard value.utf8.span.isFieldValue else {
      return append(name, String(decoding: Self.putRight(value), as: UTF8.self))
    }
    let beginning = FieldNameTable.shared.beginning(of: name)
    let start = bytes.count
    bytes.append(contentsOf: beginning)
    bytes.append(contentsOf: value.utf8)
    bytes.append(UInt8(ascii: "\r"))
    bytes.append(UInt8(ascii: "\n"))
    appendLine(name, at: start, nameLength: beginning.count - 2, valueLength: value.utf8.count)
  }

  /// Appends a field that stands among the bytes already, as it would have been written.
  mutating func appendLine(_ name: FieldName, at start: Int, nameLength: Int, valueLength: Int) {
    lines.append(
      Line(
        name: name, nameLength: UInt16(nameLength), start: UInt32(start),
        valueLength: UInt32(valueLength)))
  }

  /// Appends the fields of another section that pass.
  package mutating func append(linesOf other: FieldSection, where passes: (Line) -> Bool) {
    var start = bytes.count
    var passed = lines
    lines = []
    other.forEachPiece { line in
      guard passes(line) else { return false }
      var moved = line
      moved.start = UInt32(start)
      passed.append(moved)
      start += line.wholeRange.count
      return true
    } _: {
      bytes.append(contentsOf: $0)
    }
    lines = passed
  }

  private mutating func write(_ known: FieldName, _ name: Span<UInt8>, _ value: Span<UInt8>) {
    let start = bytes.count
    bytes.append(addingCapacity: name.count + value.count + 4) { out in
      for index in name.indices { out.append(name[index]) }
      out.append(UInt8(ascii: ":"))
      out.append(UInt8(ascii: " "))
      for index in value.indices { out.append(value[index]) }
      out.append(UInt8(ascii: "\r"))
      out.append(UInt8(ascii: "\n"))
    }
    appendLine(known, at: start, nameLength: name.count, valueLength: value.count)
  }

  /// With spaces in place of bytes that no value may have, and none at its ends.
  private static func putRight(_ value: String) -> [UInt8] {
    let bytes = value.utf8.map { $0.isFieldByte ? $0 : UInt8(ascii: " ") }
    let end = bytes.lastIndex { !$0.isBlank }.map { $0 + 1 } ?? 0
    return Array(bytes[..<end].drop(while: \.isBlank))
  }
}

extension FieldSection: ExpressibleByDictionaryLiteral {
  package init(dictionaryLiteral elements: (FieldName, String)...) {
    self.init(bytes: elements.count * 40, lines: elements.count)
    for (name, value) in elements { append(name, value) }
  }
}

extension FieldSection: CustomStringConvertible, CustomReflectable {
  /// The names: among the values are keys and tokens.
  package var description: String { lines.map { name(of: $0) }.joined(separator: ", ") }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

extension FieldSection: Equatable {
  /// Whether the same lines follow each other; bytes that no line names any more do not matter.
  package static func == (left: FieldSection, right: FieldSection) -> Bool {
    left.lines.count == right.lines.count
      && zip(left.lines, right.lines).allSatisfy {
        left.bytes[$0.range] == right.bytes[$1.range] && $0.nameLength == $1.nameLength
      }
  }
}
