/// One HTTP/1 answer as a test read it from the wire.
package struct RawHTTPResponse: Sendable {
  package let status: Int
  /// Names in lower case, in the order of the wire.
  package let fields: [(name: String, value: String)]
  package var body: [UInt8]

  /// The values of a field, joined; `nil` when it is not there.
  package subscript(_ name: String) -> String? {
    let values = fields.filter { $0.name == name }.map(\.value)
    return values.isEmpty ? nil : values.joined(separator: ", ")
  }

  package var text: String { String(decoding: body, as: UTF8.self) }

  package var closes: Bool { self["connection"]?.lowercased() == "close" }
}

/// Why bytes are not a whole answer.
package enum RawHTTPError: Error, Equatable {
  case malformed(String)
  /// The peer closed before the answer was complete, after so many bytes of it.
  case cut(after: Int)
  /// The peer closed, and there was no answer.
  case closed
}

extension RawConnection {
  /// Reads exactly one answer, by its framing; what follows it stays unread.
  ///
  /// An answer to HEAD has no body. `rest` holds bytes that were read before and belong to this
  /// answer, and afterwards those of the next.
  package func response(
    toHEAD: Bool = false, rest: inout [UInt8]
  ) throws -> RawHTTPResponse {
    let head = try upTo("\r\n\r\n", &rest)
    var response = try parse(head)
    if toHEAD || response.status < 200 || response.status == 204 || response.status == 304 {
      return response
    }
    if response["transfer-encoding"] == "chunked" {
      while true {
        let line = try upTo("\r\n", &rest).dropLast(2)
        guard let size = Int(String(decoding: line, as: UTF8.self), radix: 16) else {
          throw RawHTTPError.malformed("chunk size")
        }
        let chunk = try take(size + 2, &rest)
        if size == 0 { return response }
        response.body += chunk.dropLast(2)
      }
    }
    if let length = response["content-length"] {
      guard let count = Int(length) else { throw RawHTTPError.malformed("length") }
      response.body = try take(count, &rest)
      return response
    }
    response.body = rest
    rest = []
    while true {
      let part = try receive()
      if part.isEmpty { return response }
      response.body += part
    }
  }

  /// Sends a request and reads its one answer.
  package func exchange(_ request: String, toHEAD: Bool = false) throws -> RawHTTPResponse {
    send(request)
    var rest: [UInt8] = []
    return try response(toHEAD: toHEAD, rest: &rest)
  }

  /// Reads all answers until the peer closes; also says whether the end came in the middle of one.
  package func responses() -> (whole: [RawHTTPResponse], failure: (any Error)?) {
    var rest: [UInt8] = []
    var whole: [RawHTTPResponse] = []
    while true {
      do {
        whole.append(try response(rest: &rest))
      } catch RawHTTPError.closed {
        return (whole, nil)
      } catch {
        return (whole, error)
      }
    }
  }

  private func upTo(_ end: String, _ rest: inout [UInt8]) throws -> [UInt8] {
    let mark = Array(end.utf8)
    var searched = 0
    while true {
      if rest.count >= mark.count {
        for start in searched...(rest.count - mark.count)
        where rest[start..<(start + mark.count)].elementsEqual(mark) {
          let taken = Array(rest[..<(start + mark.count)])
          rest.removeFirst(taken.count)
          return taken
        }
        searched = rest.count - mark.count
      }
      try fill(&rest)
    }
  }

  private func take(_ count: Int, _ rest: inout [UInt8]) throws -> [UInt8] {
    while rest.count < count { try fill(&rest) }
    let taken = Array(rest[..<count])
    rest.removeFirst(count)
    return taken
  }

  private func fill(_ rest: inout [UInt8]) throws {
    let part = try receive()
    guard !part.isEmpty else {
      throw rest.isEmpty ? RawHTTPError.closed : RawHTTPError.cut(after: rest.count)
    }
    rest += part
  }

  private func parse(_ head: [UInt8]) throws -> RawHTTPResponse {
    let lines = String(decoding: head.dropLast(4), as: UTF8.self)
      .split(separator: "\r\n", omittingEmptySubsequences: false)
    let words = lines[0].split(separator: " ")
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
      throw RawHTTPError.malformed(String(lines[0]))
    }
    let fields = try lines.dropFirst().map { line -> (name: String, value: String) in
      let parts = line.split(separator: ":", maxSplits: 1)
      guard let name = parts.first else { throw RawHTTPError.malformed(String(line)) }
      let value = parts.count == 2 ? parts[1].drop { $0 == " " } : ""
      return (name.lowercased(), String(value))
    }
    return RawHTTPResponse(status: status, fields: fields, body: [])
  }
}
