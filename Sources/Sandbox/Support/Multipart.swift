import Base

/// The parts of a `multipart/form-data` body.
enum Multipart {
  /// One field or file.
  struct Part: Sendable {
    let name: String
    let fileName: String?
    let bytes: ArraySlice<UInt8>
  }

  /// `nil` when the type names no boundary or the body does not follow it to its end.
  static func parts(of body: [UInt8], contentType: String) -> [Part]? {
    guard let boundary = parameter("boundary", in: contentType), !boundary.isEmpty else {
      return nil
    }
    let delimiter = Array("--\(boundary)".utf8)
    var parts: [Part] = []
    guard var position = body[...].firstRange(of: delimiter)?.upperBound else { return nil }
    while true {
      if body[position...].starts(with: Array("--".utf8)) { return parts }
      guard let end = body[position...].firstRange(of: Array("\r\n".utf8) + delimiter),
        body[position...].starts(with: [13, 10]),
        let part = part(body[(position + 2)..<end.lowerBound])
      else { return nil }
      parts.append(part)
      position = end.upperBound
    }
  }

  private static func part(_ bytes: ArraySlice<UInt8>) -> Part? {
    guard let headEnd = bytes.firstRange(of: [13, 10, 13, 10]) else { return nil }
    let head = String(decoding: bytes[..<headEnd.lowerBound], as: UTF8.self)
    for line in head.split(separator: "\r\n") {
      guard line.lowercased().hasPrefix("content-disposition:") else { continue }
      guard let name = parameter("name", in: line) else { return nil }
      return Part(
        name: name, fileName: parameter("filename", in: line), bytes: bytes[headEnd.upperBound...])
    }
    return nil
  }

  /// The value of `name=value` or `name="value"` among parameters that follow a `;`.
  private static func parameter(_ name: String, in text: some StringProtocol) -> String? {
    for piece in text.split(separator: ";").dropFirst() {
      let pair = piece.split(separator: "=", maxSplits: 1)
      let key = String(pair[0].filter { $0 != " " }).lowercased()
      guard pair.count == 2, key == name else { continue }
      let value = String(pair[1].filter { $0 != "\r" && $0 != "\n" })
      return value.hasPrefix("\"") && value.hasSuffix("\"")
        ? String(value.dropFirst().dropLast()) : String(value.prefix { $0 != " " })
    }
    return nil
  }
}
