/// A pattern of resource paths that a grant allows, such as `/v3/catalog/products/*` or `/v2/**`.
///
/// The grammar, of which every text has one reading:
///
///     pattern = "/graphql" | ("/v2" | "/v3") 1*("/" word) | ("/v2" | "/v3") *("/" word) "/**"
///     word    = "*" | 1*(ALPHA | DIGIT | "-" | "_" | "." | "~")     not of dots only, not ….json
///
/// `*` is exactly one segment, `**` one or more; any other word is itself, byte for byte. A path's
/// trailing slash and its ending `.json` do not count, as in the endpoint table. Patterns only ever
/// allow, so a path that is written in some other way than its pattern is refused.
package struct PathPattern: Hashable, Sendable, CustomStringConvertible {
  /// How many a grant has at most.
  package static let mostPerGrant = 64
  /// How long one is at most, in bytes.
  package static let maxLength = 256

  private enum Word: Hashable {
    case literal([UInt8])
    case any
  }

  package let text: String
  /// The segments, `**` left out.
  private let words: [Word]
  /// Whether one segment or more must follow.
  private let isOpen: Bool

  /// Reads a pattern.
  /// - Throws: what is wrong with it, to follow the pattern in a sentence.
  package init(_ text: some StringProtocol) throws(PathPatternFault) {
    guard text.utf8.count <= Self.maxLength else { throw .tooLong }
    guard text.utf8.first == UInt8(ascii: "/") else { throw .notAResourcePath }
    var segments = text.utf8.dropFirst().split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false
    ).map { Array($0) }[...]
    isOpen = segments.last == Array("**".utf8)
    if isOpen { segments = segments.dropLast() }
    var words: [Word] = []
    for segment in segments { words.append(try PathPattern.word(segment)) }
    guard let first = words.first, PathPattern.roots.contains(first) else {
      throw .notAResourcePath
    }
    guard (first == PathPattern.graphql) == (words.count == 1 && !isOpen) else {
      throw .notAResourcePath
    }
    self.words = words
    self.text = String(text)
  }

  package var description: String { text }

  /// Whether the pattern allows a path such as `/v3/catalog/products/7`, which has been found
  /// canonical and has no query.
  package func matches(_ path: Substring) -> Bool {
    matches(path.utf8.span)
  }

  /// Whether every path that `other` allows is allowed here.
  package func covers(_ other: PathPattern) -> Bool {
    guard isOpen ? words.count <= other.words.count : !other.isOpen else { return false }
    guard isOpen || words.count == other.words.count else { return false }
    // With as many words, `**` here needs a segment more than the other has, unless that is open.
    guard words.count < other.words.count || isOpen == other.isOpen else { return false }
    return zip(words, other.words).allSatisfy { mine, theirs in mine == .any || mine == theirs }
  }

  private func matches(_ path: borrowing Span<UInt8>) -> Bool {
    var end = path.count
    if end > 1, path[end - 1] == UInt8(ascii: "/") { end -= 1 }
    var start = 0
    for word in words {
      guard start < end, path[start] == UInt8(ascii: "/") else { return false }
      start += 1
      var stop = start
      while stop < end, path[stop] != UInt8(ascii: "/") { stop += 1 }
      guard stop > start, PathPattern.matches(word, path, start..<stop, isLast: stop == end) else {
        return false
      }
      start = stop
    }
    return isOpen ? start + 1 < end : start == end
  }

  private static func matches(
    _ word: Word, _ path: borrowing Span<UInt8>, _ segment: Range<Int>, isLast: Bool
  ) -> Bool {
    guard case .literal(let bytes) = word else { return true }
    guard isSame(bytes, path, at: segment.lowerBound, before: segment.upperBound) else {
      return false
    }
    let rest = (segment.lowerBound + bytes.count)..<segment.upperBound
    return rest.isEmpty
      || isLast && rest.count == ending.count
        && isSame(ending, path, at: rest.lowerBound, before: rest.upperBound)
  }

  /// Whether those bytes stand there.
  private static func isSame(
    _ bytes: [UInt8], _ path: borrowing Span<UInt8>, at start: Int, before end: Int
  ) -> Bool {
    guard bytes.count <= end - start else { return false }
    for index in bytes.indices where path[start + index] != bytes[index] { return false }
    return true
  }

  private static func word(_ segment: [UInt8]) throws(PathPatternFault) -> Word {
    guard !segment.isEmpty else { throw .emptySegment }
    guard segment != [UInt8(ascii: "*")] else { return .any }
    guard segment != Array("**".utf8) else { throw .openMiddle }
    guard !segment.contains(UInt8(ascii: "*")) else { throw .partOfSegment }
    guard segment.allSatisfy(isPlain) else { throw .character }
    guard segment.contains(where: { $0 != UInt8(ascii: ".") }) else { throw .dots }
    guard segment.suffix(ending.count) != ending[...] else { throw .ending }
    return .literal(segment)
  }

  /// What no decoder reads as anything but itself: the unreserved characters of RFC 3986.
  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
      UInt8(ascii: "."), UInt8(ascii: "~"):
      true
    default: false
    }
  }

  private static let ending = Array(".json".utf8)
  private static let graphql = Word.literal(Array("graphql".utf8))
  private static let roots = [
    Word.literal(Array("v2".utf8)), .literal(Array("v3".utf8)), graphql,
  ]
}

/// Why a text is no ``PathPattern``.
package enum PathPatternFault: Error, Hashable, Sendable, CaseIterable {
  case tooLong, notAResourcePath, emptySegment, openMiddle, partOfSegment, character, dots, ending

  /// What to know, to follow the pattern in a sentence.
  package var reason: String {
    switch self {
    case .tooLong: "has more than \(PathPattern.maxLength) bytes"
    case .notAResourcePath:
      "does not begin with /v2/ or /v3/ and a segment, and is not /graphql"
    case .emptySegment: "has an empty segment; leave out the slash at its end"
    case .openMiddle: "has ** before its end; ** is the last segment"
    case .partOfSegment: "has * within a segment; * stands for a whole one"
    case .character:
      """
      has a character other than letters, digits, '-', '_', '.' and '~'; there are no escapes, templates or regular \
      expressions
      """
    case .dots: "has a segment of dots only"
    case .ending:
      "has a segment that ends in .json; at the end of a path that never counts, so leave it out"
    }
  }
}
