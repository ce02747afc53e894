import Base
import CCurl
import Fields
import HTTPTypes
import NIOCore
import Testing

@testable import Curl

@Suite struct `What may be sent` {
  private let origin: Origin

  init() throws {
    origin = try #require(Origin("https://api.example.com"))
  }

  private func request(
    _ method: String = "GET", _ target: String = "/", _ headers: HTTPFields = [:],
    body: CurlRequest.Body = .none
  ) -> CurlRequest {
    CurlRequest(
      origin: origin, method: .init(method) ?? .get, target: target,
      headers: FieldSection(headers), body: body)
  }

  @Test(arguments: [
    "", "x", "https://a/", "*", " /", "/ ", "/a b", "/a\r\nX: y", "/a\n", "/a\0", "/a\u{7f}",
    "/\u{e9}",
    "/a#b", "/a\t",
  ])
  func `a target that is not one path is refused`(_ target: String) {
    #expect(throws: CurlError.invalidRequest) { try request("GET", target).validate() }
  }

  @Test(arguments: [
    "Host", "content-length", "Transfer-Encoding", "EXPECT", "Connection", "Keep-Alive", "TE",
    "Upgrade", "Trailer", "Proxy-Connection",
  ])
  func `headers of the connection are refused`(_ name: String) {
    #expect(throws: CurlError.invalidRequest) {
      try request("GET", "/", [.init(name)!: "x"]).validate()
    }
  }

  @Test func `a value with a line break in it is refused`() {
    for value in ["\u{1}", "\u{1b}", "\u{7f}", "a\r\nX: y", "a\nb", "a\rb", "a\0b"] {
      var headers = FieldSection()
      headers.append("A".utf8.span, value.utf8.span)
      let request = CurlRequest(origin: origin, target: "/", headers: headers)
      #expect(throws: CurlError.invalidRequest) { try request.validate() }
    }
    #expect(throws: Never.self) {
      try request("GET", "/a?b=%0d%0a", [.init("A")!: "tab\tand \u{e9}"]).validate()
    }
  }

  @Test func `methods that turn a connection into something else are refused`() {
    for method in ["CONNECT", "TRACE"] {
      #expect(throws: CurlError.invalidRequest) { try request(method).validate() }
    }
    #expect(throws: CurlError.invalidRequest) {
      try request("HEAD", body: .bytes(ByteBuffer(string: "x"))).validate()
    }
  }

  @Test func `only requests that change nothing may be resent, with a body in memory`() {
    for method in ["GET", "HEAD", "OPTIONS"] { #expect(request(method).mayBeResent) }
    for method in ["POST", "PUT", "PATCH", "DELETE", "FROB"] {
      #expect(!request(method).mayBeResent)
    }
    let stream = Throwing(AsyncStream<ByteBuffer> { $0.finish() })
    #expect(!request("GET", body: .stream(length: 0, stream)).mayBeResent)
  }

  @Test func `an error that was not sent is certainly so`() {
    for error in [
      CurlError.invalidRequest, .resolveFailed, .connectFailed, .connectTimeout, .tlsFailed,
      .tlsTimeout, .unusableLibrary(""),
    ] {
      #expect(!error.wasSent)
    }
    for error in [
      CurlError.sendFailed, .uploadFailed, .firstByteTimeout, .stalled, .totalTimeout, .broken,
      .tooLarge, .cancelled, .shutDown(sent: true), .failed(code: 2),
    ] {
      #expect(error.wasSent)
    }
  }
}

@Suite struct `Options of a handle` {
  @Test func `a handle talks to its origin and to nobody else`() {
    let options = HandleOptions.standard(CurlSettings())
    let demanded: [HandleOption] = [
      .long(CURLOPT_FOLLOWLOCATION, 0), .text(CURLOPT_PROXY, ""), .text(CURLOPT_NOPROXY, "*"),
      .long(CURLOPT_NETRC, 0), .long(CURLOPT_DISALLOW_USERNAME_IN_URL, 1),
      .long(CURLOPT_PATH_AS_IS, 1), .long(CURLOPT_SSL_VERIFYPEER, 1),
      .long(CURLOPT_SSL_VERIFYHOST, 2), .long(CURLOPT_SSLVERSION, 6),
      .long(CURLOPT_HTTP_VERSION, 2),
      .long(CURLOPT_HTTP09_ALLOWED, 0), .text(CURLOPT_ACCEPT_ENCODING, nil),
      .long(CURLOPT_NOSIGNAL, 1), .long(CURLOPT_LOW_SPEED_LIMIT, 0),
      .long(CURLOPT_LOW_SPEED_TIME, 0), .long(CURLOPT_UNRESTRICTED_AUTH, 0),
      .long(CURLOPT_MAXAGE_CONN, 55), .long(CURLOPT_CONNECTTIMEOUT_MS, 3000),
    ]
    for option in demanded { #expect(options.contains(option), "\(option)") }
  }

  @Test func `no option is set twice and none reads a file or keeps a state`() {
    let numbers = HandleOptions.standard(CurlSettings()).map(\.option.rawValue)
    #expect(Set(numbers).count == numbers.count)
    for option in [
      CURLOPT_COOKIEFILE, CURLOPT_COOKIEJAR, CURLOPT_NETRC_FILE, CURLOPT_USERPWD, CURLOPT_HTTPAUTH,
      CURLOPT_ALTSVC, CURLOPT_HSTS, CURLOPT_DOH_URL,
    ] {
      #expect(!numbers.contains(option.rawValue))
    }
  }

  @Test func `an authority of one's own joins those of the system`() {
    var settings = CurlSettings()
    settings.caFile = "/tmp/ca.pem"
    let options = HandleOptions.standard(settings)
    #expect(options.contains(.text(CURLOPT_CAINFO, "/tmp/ca.pem")))
    // The system's authorities stay.
    #expect(!options.contains(.text(CURLOPT_CAPATH, nil)))
    #expect(unsafe curl_shim_version()?.pointee.capath != nil)
  }

  @Test func `a certificate of one's own is shown with its key, and none unless told`() {
    var settings = CurlSettings()
    let options = [HandleOption.text(CURLOPT_SSLCERT, "c.pem"), .text(CURLOPT_SSLKEY, "k.pem")]
    #expect(!HandleOptions.standard(settings).contains { options.contains($0) })
    settings.clientIdentity = .init(certificateFile: "c.pem", privateKeyFile: "k.pem")
    #expect(HandleOptions.standard(settings).filter(options.contains) == options)
  }

  @Test func `the URL is the origin and its scheme the only one`() throws {
    let origin = try #require(Origin("https://api.example.com:8443"))
    #expect(HandleOptions.protocols(for: origin) == .text(CURLOPT_PROTOCOLS_STR, "https"))
    let url = try OriginURL(origin)
    var text: UnsafeMutablePointer<CChar>?
    #expect(unsafe curl_url_get(url.raw, CURLUPART_URL, &text, 0) == CURLUE_OK)
    defer { unsafe curl_free(text) }
    #expect(unsafe text.map { unsafe String(cString: $0) } == "https://api.example.com:8443/")
  }

  @Test func `a libcurl that would block is refused`() {
    let good = CurlLibrary.Facts(version: 0x07_58_01, hasBackgroundNames: true, hasTLS: true)
    #expect(good.objection == nil)
    #expect(
      CurlLibrary.Facts(version: 0x07_56_00, hasBackgroundNames: true, hasTLS: true).objection
        != nil)
    #expect(
      CurlLibrary.Facts(version: 0x08_00_00, hasBackgroundNames: false, hasTLS: true).objection
        != nil)
    #expect(
      CurlLibrary.Facts(version: 0x08_00_00, hasBackgroundNames: true, hasTLS: false).objection
        != nil)
    #expect(throws: Never.self) { try CurlLibrary.check() }
  }
}
