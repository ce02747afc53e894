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
  private var bytes = 0
  private var fieldCount = 0
  private var hasCoding = false
  private var hasLength = false

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
    bytes += line.count
    guard bytes <= maxBytes else { throw .tooLarge }
    guard line.count >= 2, line[line.count - 2] == UInt8(ascii: "\r"),
      line[line.count - 1] == UInt8(ascii: "\n")
    else { throw .broken }
    let content = line.extracting(0..<(line.count - 2))
    if isComplete { return .trailer }
    if status == 0 {
      try takeStatusLine(content)
      return .needsMore
    }
    if content.isEmpty { return try endOfBlock() }
    try takeField(content)
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
    if code >= 200 { fields = FieldSection(bytes: 960, lines: 40) }
  }

  private mutating func takeField(_ line: Span<UInt8>) throws(CurlError) {
    fieldCount += 1
    guard fieldCount <= maxFields else { throw .tooLarge }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0, line.hasOnlyFieldBytes
    else { throw .broken }
    let nameBytes = line.extracting(0..<colon)
    let rest = line.extracting((colon + 1)...)
    let value = rest.extracting(rest.trimmedRange)
    // What an interim answer says is not kept, and must be well formed all the same.
    guard status >= 200 else {
      guard nameBytes.isToken else { throw .broken }
      return
    }
    guard let name = append(nameBytes, value) else { throw .broken }
    if name == .contentLength { hasLength = true }
    if name == .transferEncoding { hasCoding = true }
  }

  /// A value that is not UTF-8 is kept as what its bytes stand for, as far as that can be told.
  ///
  /// - Returns: `nil` when the name is no token; so is that of a folded line: it begins with a
  ///   space.
  private mutating func append(_ name: Span<UInt8>, _ value: Span<UInt8>) -> FieldName? {
    if value.isUTF8 { return fields.append(name, value) }
    let text = unsafe value.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    return fields.append(name, text.utf8.span)
  }

  private mutating func endOfBlock() throws(CurlError) -> Progress {
    if status < 200 {
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
    let coding = hasCoding ? fields.all(.transferEncoding).joined(separator: ", ") : nil
    let length = hasLength ? try contentLength() : nil
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

extension Span<UInt8> {
  fileprivate func firstIndex(of byte: UInt8) -> Int? {
    for index in indices where self[index] == byte { return index }
    return nil
  }
}
