/// A section read from the head of a message, whose bytes it keeps.
extension FieldSection {
  /// Appends the field line that `write` puts behind the section's bytes, its end included.
  ///
  /// - Returns: `false` when it is no field; the section is of no use then.
  package mutating func appendLine(_ write: (inout [UInt8]) -> Void) -> Bool {
    let start = bytes.count
    write(&bytes)
    guard let read = ReadLine(bytes.span, from: start),
      read.value.upperBound + read.trailing == bytes.count
    else { return false }
    append(read)
    return true
  }

  /// Reads the field lines of a head, from `start` to its empty line, with which the bytes end.
  ///
  /// Lines end in CR LF, values hold no control bytes but tabs. Of a value that is not UTF-8 that is
  /// kept which its bytes stand for, as far as that can be told. Fields of the `dropped` names are
  /// left out.
  ///
  /// - Returns: `nil` when one of the lines is no field; so is a folded one: it begins with a space.
  package init?(head: [UInt8], from start: Int, without dropped: FieldNameSet = []) {
    let end = head.count - 2
    self.init(adopting: head, lines: 24)
    var position = start
    while position < end {
      guard let read = ReadLine(bytes.span, from: position) else { return nil }
      position = read.value.upperBound + read.trailing
      if read.known != .other, dropped.contains(read.known) { continue }
      append(read)
    }
    guard position == end, bytes[end] == UInt8(ascii: "\r"), bytes[end + 1] == UInt8(ascii: "\n")
    else { return nil }
  }

  /// The line stands as it came, if that is how it would be written.
  private mutating func append(_ read: ReadLine) {
    if read.isASCII, read.name.upperBound + 2 == read.value.lowerBound, read.trailing == 2,
      bytes[read.value.lowerBound - 1] == UInt8(ascii: " ")
    {
      appendLine(
        read.known, at: read.name.lowerBound, nameLength: read.name.count,
        valueLength: read.value.count)
      return
    }
    let name = Array(bytes[read.name])
    let value = Array(String(decoding: bytes[read.value], as: UTF8.self).utf8)
    append(name.span, value.span)
  }
}

/// Where the parts of a field line stand.
private struct ReadLine {
  let name: Range<Int>
  let known: FieldName
  /// Without the blanks around it.
  let value: Range<Int>
  /// How many bytes of the line follow the value, its end among them.
  let trailing: Int
  let isASCII: Bool

  init?(_ bytes: Span<UInt8>, from start: Int) {
    var colon = start
    while colon < bytes.count, bytes[colon].isTokenByte { colon += 1 }
    guard colon > start, colon - start <= Int(UInt16.max), colon < bytes.count,
      bytes[colon] == UInt8(ascii: ":")
    else { return nil }
    var end = colon + 1
    var all: UInt8 = 0
    while end < bytes.count {
      let byte = bytes[end]
      guard byte.isFieldByte else { break }
      all |= byte
      end += 1
    }
    guard end + 1 < bytes.count, bytes[end] == UInt8(ascii: "\r"),
      bytes[end + 1] == UInt8(ascii: "\n")
    else { return nil }
    name = start..<colon
    known = FieldName.named(bytes.extracting(name))
    let trimmed = bytes.extracting((colon + 1)..<end).trimmedRange
    value = (colon + 1 + trimmed.lowerBound)..<(colon + 1 + trimmed.upperBound)
    trailing = end + 2 - value.upperBound
    isASCII = all < 0x80
  }
}
