package import Base
package import HTTPTypes

/// Field names that occur in nearly every request or answer, ready made.
///
/// `HTTPField.Name` checks, folds and copies a name each time it is made; one that is known costs a
/// comparison.
package enum FieldNames {
  private static let spellings: [String] = [
    "Accept", "Accept-Encoding", "Accept-Language", "Access-Control-Allow-Origin", "Age", "Allow",
    "Authorization", "Cache-Control", "Connection", "Content-Disposition", "Content-Encoding",
    "Content-Language", "Content-Length", "Content-Security-Policy", "Content-Type", "Date",
    "ETag", "Expires", "Host", "Keep-Alive", "Last-Modified", "Link", "Location", "Origin",
    "Pragma", "Referer", "Retry-After", "Server", "Set-Cookie", "Strict-Transport-Security",
    "Transfer-Encoding", "User-Agent", "Vary", "Via", "X-Auth-Client", "X-Auth-Token",
    "X-BC-Store-Version", "X-Content-Type-Options", "X-Correlation-Id", "X-Forwarded-For",
    "X-Frame-Options", "X-Rate-Limit-Requests-Left", "X-Rate-Limit-Requests-Quota",
    "X-Rate-Limit-Time-Reset-Ms", "X-Rate-Limit-Time-Window-Ms", "X-Request-Id", "X-Retry-After",
    "X-XSS-Protection", "traceparent", "tracestate", "Latchkey-Max-Wait", "Latchkey-Priority",
    "Latchkey-Retry", "Latchkey-Timeout",
  ]

  /// By the hash of the bytes; a name whose slot is taken stands in one of the next.
  private static let slots: [HTTPField.Name?] = {
    var slots: [HTTPField.Name?] = Array(repeating: nil, count: 512)
    for spelling in Set(spellings + spellings.map { $0.lowercased() }) {
      guard let name = HTTPField.Name(spelling) else { continue }
      var index = slot(spelling.utf8.span)
      while slots[index] != nil { index = (index + 1) & 511 }
      slots[index] = name
    }
    return slots
  }()

  /// The field name of these bytes in their spelling; `nil` when they are none.
  package static func name(_ bytes: Span<UInt8>) -> HTTPField.Name? {
    let slots = slots
    var index = slot(bytes)
    while let known = slots[index] {
      if isSame(known.rawName.utf8.span, bytes) { return known }
      index = (index + 1) & 511
    }
    return HTTPField.Name(text(bytes))
  }

  private static func slot(_ bytes: Span<UInt8>) -> Int {
    guard !bytes.isEmpty else { return 0 }
    let (first, last) = (Int(bytes[0]), Int(bytes[bytes.count - 1]))
    let middle = Int(bytes[bytes.count / 2])
    return (bytes.count &* 31 &+ first &* 7 &+ middle &* 3 &+ last) & 511
  }

  private static func isSame(_ known: Span<UInt8>, _ bytes: Span<UInt8>) -> Bool {
    guard known.count == bytes.count else { return false }
    for index in known.indices where known[index] != bytes[index] { return false }
    return true
  }

  private static func text(_ bytes: Span<UInt8>) -> String {
    unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }
}

/// A set of field names to which most of those that are asked for do not belong: these cost no
/// hash.
package struct FieldNameSet: Sendable, ExpressibleByArrayLiteral {
  private let names: Set<String>
  private let marks: UInt64

  /// - Parameter names: in lower case.
  package init(_ names: Set<String>) {
    self.names = names
    marks = names.reduce(0) { $0 | FieldNameSet.mark(of: $1) }
  }

  package init(arrayLiteral names: String...) { self.init(Set(names)) }

  package func contains(_ name: HTTPField.Name) -> Bool {
    let text = name.canonicalName
    return marks & FieldNameSet.mark(of: text) != 0 && names.contains(text)
  }

  package func union(_ more: Set<String>) -> FieldNameSet { FieldNameSet(names.union(more)) }

  private static func mark(of text: String) -> UInt64 {
    let bytes = text.utf8
    return 1 << UInt64((bytes.count &* 7 &+ Int(bytes.first ?? 0)) & 63)
  }
}

extension HTTPField.Name {
  /// A name written in the source.
  package static func known(_ text: StaticString) -> HTTPField.Name {
    guard let name = HTTPField.Name(text.description) else {
      preconditionFailure("not a field name: \(text)")
    }
    return name
  }
}

extension HTTPFields {
  /// The value of the first field of that name; the subscript joins all of them, at the price of
  /// several allocations.
  package func firstValue(of name: HTTPField.Name) -> String? {
    for field in self where field.name == name { return field.value }
    return nil
  }

  /// The value of the one field of that name; `nil` when there is none, or more than one.
  package func onlyValue(of name: HTTPField.Name) -> String? {
    var found: String?
    for field in self where field.name == name {
      guard found == nil else { return nil }
      found = field.value
    }
    return found
  }

  /// Whether there is a field of that name.
  package func has(_ name: HTTPField.Name) -> Bool {
    for field in self where field.name == name { return true }
    return false
  }
}

extension HTTPField {
  private static let traceparentName = HTTPField.Name.known("traceparent")

  /// What tells whom we call of the trace, in lower case as the standard advises.
  package static func traceparent(_ trace: TraceContext) -> HTTPField {
    HTTPField(name: traceparentName, value: trace.traceparent)
  }
}
