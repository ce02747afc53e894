import Fields
import HTTPTypes
import Testing

@testable import Curl

@Suite struct `Response head` {
  /// Reads a head; what is behind it is not looked at.
  private func read(
    _ text: String, isHead: Bool = false, maxBytes: Int = 1000, maxFields: Int = 10
  ) throws(CurlError) -> (ResponseHead, ResponseHead.Framing?) {
    var head = ResponseHead(isHeadRequest: isHead, maxBytes: maxBytes, maxFields: maxFields)
    var line: [UInt8] = []
    for byte in text.utf8 {
      line.append(byte)
      guard byte == UInt8(ascii: "\n") else { continue }
      if case .complete(let framing) = try head.take(line.span) { return (head, framing) }
      line = []
    }
    return (head, nil)
  }

  @Test(
    arguments: [
      ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .length(0)),
      ("HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\n", .length(12)),
      ("HTTP/1.1 200\r\nContent-Length: 12\r\ncontent-length:12\r\n\r\n", .length(12)),
      ("HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n", .chunked),
      ("HTTP/1.1 204 No Content\r\n\r\n", .none),
      ("HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n", .none),
      (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hint\r\nA: b\r\n\r\nHTTP/1.1 204 X\r\n\r\n",
        .none
      ),
      (
        "HTTP/1.1 103 Hint\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\n\r\n"
          + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
        .length(1)
      ),
      ("HTTP/1.1 599 \u{e9}\r\nX: \u{fc}\r\nContent-Length: 1\r\n\r\n", .length(1)),
    ] as [(String, ResponseHead.Framing)])
  func `a proper head tells where its body ends`(
    _ text: String, _ framing: ResponseHead.Framing
  ) throws {
    #expect(try read(text).1 == framing)
  }

  @Test(arguments: [
    // The status line.
    "HTTP/2 200\r\n", "HTTP/1.2 200 OK\r\n", "HTTP/0.9 200 OK\r\n", "http/1.1 200 OK\r\n",
    "HTTP/1.1 99 OK\r\n", "HTTP/1.1 600 OK\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1  200 OK\r\n",
    "HTTP/1.1 +20 OK\r\n", "HTTP/1.1 200OK\r\n", "HTTP/1.1 101 Switching\r\n", "\r\n",
    "HTTP/1.1 200 O\0K\r\n", "HTTP/1.1 200 OK\n", "ICY 200 OK\r\n",
    // A header line.
    "HTTP/1.1 200 OK\r\nA: b\n", "HTTP/1.1 200 OK\r\nA: b\rc\r\n", "HTTP/1.1 200 OK\r\nA: \0\r\n",
    "HTTP/1.1 200 OK\r\nA : b\r\n", "HTTP/1.1 200 OK\r\n folded\r\n", "HTTP/1.1 200 OK\r\n: b\r\n",
    "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n", "HTTP/1.1 200 OK\r\nA\u{e9}: b\r\n",
    "HTTP/1.1 200 OK\r\nA: \u{7f}\r\n", "HTTP/1.1 103 Hint\r\nbad line\r\n",
    // Where the body ends.
    "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 204 OK\r\nContent-Length: 1\r\n\r\n",
    "HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
  ])
  func `a head that could be read in two ways is refused`(_ text: String) {
    #expect(throws: CurlError.broken) { try read(text) }
  }

  @Test func `a head is limited in bytes and fields, interim answers included`() throws {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n"
    let final = "HTTP/1.1 204 X\r\n\r\n"
    #expect(throws: CurlError.tooLarge) {
      try read(String(repeating: interim, count: 40) + final)
    }
    #expect(throws: Never.self) { try read(String(repeating: interim, count: 39) + final) }
    let fields = String(repeating: "A:\r\n", count: 11)
    #expect(throws: CurlError.tooLarge) { try read("HTTP/1.1 204 X\r\n\(fields)\r\n") }
    #expect(throws: CurlError.tooLarge) {
      try read("HTTP/1.1 204 \(String(repeating: "x", count: 999))\r\n")
    }
  }

  @Test func `the answer to HEAD has no body whatever it says`() throws {
    for line in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", ""] {
      #expect(
        try read("HTTP/1.1 200 OK\r\n\(line)\r\n", isHead: true).1 == ResponseHead.Framing.none)
    }
  }

  @Test func `values lose the spaces around them and nothing else`() throws {
    let (head, _) = try read("HTTP/1.1 204 X\r\nA: \t b \t c \t\r\nB:\r\nC:  \r\n\r\n")
    #expect(head.fields.pairs.map(\.name) == ["A", "B", "C"])
    #expect(head.fields.pairs.map(\.value) == ["b \t c", "", ""])
  }
}
