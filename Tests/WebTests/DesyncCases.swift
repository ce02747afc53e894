/// Requests that two parsers may read differently, or that only an attacker writes.
///
/// After each comes a second request on the same connection; it must not be answered.
enum DesyncCases {
  /// A label and the bytes of the first request.
  static let severe: [(String, String)] = framing + lengths + codings + fields + lines + targets

  private static let post = "POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n"
  private static let get = "GET /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n"
  private static let smuggled = "0\r\n\r\nGET /stores/smuggled/v3/x HTTP/1.1\r\nHost: x\r\n\r\n"

  private static let framing: [(String, String)] = [
    (
      "length and chunks",
      post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"
    ),
    (
      "chunks and length",
      post + "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG"
    ),
    (
      "length 0 and chunks",
      post + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled
    ),
    (
      "chunks on GET with length",
      get + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled
    ),
    (
      "chunks in HTTP/1.0",
      "POST /x HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled
    ),
    ("chunk size with sign", post + "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n" + smuggled),
    ("chunk size with 0x", post + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n" + smuggled),
    (
      "chunk size with space before",
      post + "Transfer-Encoding: chunked\r\n\r\n 1\r\na\r\n" + smuggled
    ),
    (
      "chunk size with space behind",
      post + "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n" + smuggled
    ),
    (
      "chunk size that overflows",
      post + "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n" + smuggled
    ),
    ("chunk extension", post + "Transfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n" + smuggled),
    (
      "chunk extension with LF", post + "Transfer-Encoding: chunked\r\n\r\n1;\n\r\na\r\n" + smuggled
    ),
    ("chunk line ends with LF", post + "Transfer-Encoding: chunked\r\n\r\n1\na\r\n" + smuggled),
    ("chunk line ends with CR", post + "Transfer-Encoding: chunked\r\n\r\n1\ra\r\n" + smuggled),
    ("chunk data without CRLF", post + "Transfer-Encoding: chunked\r\n\r\n1\r\naX" + smuggled),
    (
      "chunk data longer than its size",
      post + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n" + smuggled
    ),
    ("no chunk size", post + "Transfer-Encoding: chunked\r\n\r\n\r\na\r\n" + smuggled),
    ("a word for a chunk size", post + "Transfer-Encoding: chunked\r\n\r\nxyz\r\na\r\n" + smuggled),
    (
      "trailer that names a length",
      post + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n"
    ),
    ("trailer that names a host", post + "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: y\r\n\r\n"),
    ("last chunk ends with LF", post + "Transfer-Encoding: chunked\r\n\r\n0\n\n"),
    ("last chunk ends with LF LF", post + "Transfer-Encoding: chunked\r\n\r\n0\r\n\n"),
  ]

  private static let lengths: [(String, String)] =
    [
      "-1", "+1", "1,1", "1, 1", "1 1", "0x1", "1.0", "1e1", "", " ", "abc", "1;", "01", "1\t1",
      "\"1\"",
      "9223372036854775808", "99999999999999999999", "１",
    ].map { ("length '\($0)'", post + "Content-Length: \($0)\r\n\r\na") } + [
      ("two lengths", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\na"),
      ("the same length twice", post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"),
      ("length and an empty one", post + "Content-Length: 1\r\nContent-Length:\r\n\r\na"),
      ("space before the colon of a length", post + "Content-Length : 1\r\n\r\na"),
      ("tab before the colon of a length", post + "Content-Length\t: 1\r\n\r\na"),
    ]

  private static let codings: [(String, String)] =
    [
      "xchunked", "chunked, chunked", "chunked,identity", "identity", "identity, chunked", "gzip",
      "gzip, chunked",
      "chunked;q=1", "\"chunked\"", "chunke", "chunkedx", "", "chunked,", ",chunked",
      "cHuNkEd chunked", "chunked\u{0B}",
      "\u{0B}chunked", "x, chunked",
    ].map { ("coding '\($0)'", post + "Transfer-Encoding: \($0)\r\n\r\n" + smuggled) } + [
      (
        "two codings",
        post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled
      ),
      (
        "coding and an odd one",
        post + "Transfer-Encoding: chunked\r\nTransfer-encoding: x\r\n\r\n" + smuggled
      ),
      (
        "space before the colon of a coding",
        post + "Transfer-Encoding : chunked\r\n\r\n" + smuggled
      ),
      ("folded coding", post + "Transfer-Encoding:\r\n chunked\r\n\r\n" + smuggled),
      (
        "coding behind a folded field",
        post + "A: b\r\n Transfer-Encoding: chunked\r\n\r\n" + smuggled
      ),
      ("coding behind a bare CR", post + "A: b\rTransfer-Encoding: chunked\r\n\r\n" + smuggled),
      ("coding behind a bare LF", post + "A: b\nTransfer-Encoding: chunked\r\n\r\n" + smuggled),
      ("coding behind CR CR LF", post + "A: b\r\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled),
      ("coding with NUL", post + "Transfer-Encoding\0: chunked\r\n\r\n" + smuggled),
      (
        "coding after a field without name",
        post + ": x\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled
      ),
    ]

  private static let fields: [(String, String)] = [
    ("no Host", "GET /x HTTP/1.1\r\n\r\n"),
    ("no Host in HTTP/1.0", "GET /x HTTP/1.0\r\n\r\n"),
    ("two Hosts", get + "Host: y\r\n\r\n"),
    ("the same Host twice", get + "Host: x\r\n\r\n"),
    ("empty Host", "GET /x HTTP/1.1\r\nHost:\r\n\r\n"),
    ("Host with a path", "GET /x HTTP/1.1\r\nHost: x/y\r\n\r\n"),
    ("Host with user info", "GET /x HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    ("Host that is a list", "GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    ("Host with a space", "GET /x HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("space before the first field", "GET /x HTTP/1.1\r\n Host: x\r\n\r\n"),
    ("space before the colon of Host", "GET /x HTTP/1.1\r\nHost : x\r\n\r\n"),
    ("folded field", get + "A: b\r\n c\r\n\r\n"),
    ("folded field with tab", get + "A: b\r\n\tc\r\n\r\n"),
    ("field without colon", get + "A\r\n\r\n"),
    ("field without name", get + ": b\r\n\r\n"),
    ("NUL in a value", get + "A: b\0c\r\n\r\n"),
    ("NUL in a name", get + "A\0: b\r\n\r\n"),
    ("control in a value", get + "A: b\u{1}c\r\n\r\n"),
    ("DEL in a value", get + "A: b\u{7F}\r\n\r\n"),
    ("bracket in a name", get + "A(b): c\r\n\r\n"),
    ("non-ASCII name", get + "Ä: c\r\n\r\n"),
    ("unknown expectation", get + "Expect: 200-ok\r\n\r\n"),
  ]

  private static let lines: [(String, String)] = [
    ("LF line ends", "GET /x HTTP/1.1\nHost: x\n\n"),
    ("LF behind the request line", "GET /x HTTP/1.1\nHost: x\r\n\r\n"),
    ("CR line ends", "GET /x HTTP/1.1\rHost: x\r\r"),
    ("two spaces behind the method", "GET  /x HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("two spaces before the version", "GET /x  HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("tab behind the method", "GET\t/x HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("space behind the version", "GET /x HTTP/1.1 \r\nHost: x\r\n\r\n"),
    ("space before the method", " GET /x HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("HTTP/0.9", "GET /x\r\n\r\n"),
    ("HTTP/2.0", "GET /x HTTP/2.0\r\nHost: x\r\n\r\n"),
    ("HTTP/1.2", "GET /x HTTP/1.2\r\nHost: x\r\n\r\n"),
    ("HTTP/1.10", "GET /x HTTP/1.10\r\nHost: x\r\n\r\n"),
    ("HTTP/01.1", "GET /x HTTP/01.1\r\nHost: x\r\n\r\n"),
    ("http/1.1", "GET /x http/1.1\r\nHost: x\r\n\r\n"),
    ("HTP/1.1", "GET /x HTP/1.1\r\nHost: x\r\n\r\n"),
    ("HTTP/1,1", "GET /x HTTP/1,1\r\nHost: x\r\n\r\n"),
    ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("two empty lines first", "\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a TLS hello", "\u{16}\u{3}\u{1}\u{0}"),
    ("lower-case method", "get /x HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("method that is no token", "GE(T /x HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("TRACE", "TRACE /x HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("OPTIONS", "OPTIONS /x HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
  ]

  private static let targets: [(String, String)] = [
    "http://x/stores/a/v3/x", "https://x/", "x://x:80@y", "*", "x", "?a", "x:443", "/a#b",
    "/a\\b\u{7F}", "/ä", "/a b", "/a\tb", "/a\u{0}b", "#", "",
  ].map { ("target '\($0)'", "GET \($0) HTTP/1.1\r\nHost: x\r\n\r\n") }
}
