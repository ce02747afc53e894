import Fields

/// Reads the head of an answer line by line, more strictly than libcurl does.
///
/// libcurl hands over each line as it came, one call per line, interim answers included.
struct ResponseHead {
  /// How the end of the body is found.
  enum Framing: Equatable {
    case none
    case length(Int)
    case chunked
  }

  /// What a line did.
  enum Progress: Equatable {
    case needsMore
    /// The final answer's head is complete.
    case complete(Framing)
    /// The line belongs to the trailers of a chunked body.
    case trailer
  }

  private let isHeadRequest: Bool
  private let maxBytes: Int
  private let maxFields: Int

  private(set) var status = 0
  private(set) var fields = FieldSection()
  private(set) var isComplete = false
  private var isHTTP10 = false
  private var received = 0
  private var fieldCount = 0

  init(isHeadRequest: Bool, maxBytes: Int, maxFields: Int) {
    self.isHeadRequest = isHeadRequest
    self.maxBytes = maxBytes
    self.maxFields = maxFields
  }

  /// Takes one line with its line end.
  ///
  /// - Parameter line: as libcurl gave it.
  /// - Returns: what the line did.
  /// - Throws: `tooLarge` or `broken`.
  mutating func take(_ line: Span<UInt8>) throws(CurlError) -> Progress {
    received += line.count
    guard received <= maxBytes else { throw .tooLarge }
    guard line.count >= 2, line[line.count - 2] == UInt8(ascii: "\r"),
      line[line.count - 1] == UInt8(ascii: "\n")
    else { throw .broken }
    if isComplete { return .trailer }
    if status == 0 {
      try takeStatusLine(line.extracting(0..<(line.count - 2)))
      return .needsMore
    }
    if line.count == 2 { return try endOfBlock() }
    try takeField(line)
    return .needsMore
  }

  /// `HTTP/1.1 200 OK`: the reason may be empty, the space before it missing.
  private mutating func takeStatusLine(_ line: Span<UInt8>) throws(CurlError) {
    guard line.count >= 12, line.extracting(..<7).isText("HTTP/1.") else { throw .broken }
    switch line[7] {
    case UInt8(ascii: "1"): isHTTP10 = false
    case UInt8(ascii: "0"): isHTTP10 = true
    default: throw .broken
    }
    guard line[8] == UInt8(ascii: " "), let code = decimal(line.extracting(9..<12)),
      line.count == 12 || line[12] == UInt8(ascii: " "), line.hasOnlyFieldBytes
    else { throw .broken }
    // 101 would hand the connection over to a protocol that nobody asked for.
    guard (100...599).contains(code), code != 101 else { throw .broken }
    status = code
    // As much as small allocations hold; more is rare enough to be moved once.
    if code >= 200 { fields = FieldSection(bytes: 960, lines: 24) }
  }

  private mutating func takeField(_ line: Span<UInt8>) throws(CurlError) {
    fieldCount += 1
    guard fieldCount <= maxFields else { throw .tooLarge }
    let isField = unsafe line.withUnsafeBufferPointer { bytes in
      fields.appendLine { unsafe $0.append(contentsOf: bytes) }
    }
    guard isField else { throw .broken }
  }

  private mutating func endOfBlock() throws(CurlError) -> Progress {
    if status < 200 {
      // What an interim answer says is not kept, and must be well formed all the same.
      fields = FieldSection()
      status = 0
      return .needsMore
    }
    let framing = try framing()
    isComplete = true
    return .complete(framing)
  }

  /// RFC 9112, 6.3, without what is legal there but cannot be told from a truncated answer or is
  /// read differently by different recipients.
  private func framing() throws(CurlError) -> Framing {
    // All of them: two codings are no coding that we know.
    let codings = fields.all(.transferEncoding)
    let coding = codings.isEmpty ? nil : codings.joined(separator: ", ")
    let length = try contentLength()
    if coding != nil && (length != nil || isHTTP10) { throw .broken }
    if let coding, coding.lowercased() != "chunked" { throw .broken }
    if status == 204 {
      guard coding == nil, length ?? 0 == 0 else { throw .broken }
      return .none
    }
    if isHeadRequest || status == 304 { return .none }
    if coding != nil { return .chunked }
    // A body that ends with the connection: its end cannot be told from an accident.
    guard let length else { throw .broken }
    return .length(length)
  }

  private func contentLength() throws(CurlError) -> Int? {
    var length: Int?
    let bytes = fields.bytes.span
    for line in fields.lines where line.name == .contentLength {
      guard let value = decimal(bytes.extracting(line.valueRange)), length == nil || length == value
      else {
        throw .broken
      }
      length = value
    }
    return length
  }
}

/// The number that consists of these digits and nothing else; at most 18 of them.
private func decimal(_ digits: Span<UInt8>) -> Int? {
  guard !digits.isEmpty, digits.count <= 18 else { return nil }
  var value = 0
  for index in digits.indices {
    let digit = digits[index] &- UInt8(ascii: "0")
    guard digit <= 9 else { return nil }
    value = value * 10 + Int(digit)
  }
  return value
}
