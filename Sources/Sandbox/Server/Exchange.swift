import Base
import NIOCore
import NIOHTTP1

/// One HTTP request, complete with its body.
struct SandboxRequest: Sendable {
  let method: HTTPMethod
  /// The request target as it arrived.
  let target: String
  let headers: HTTPHeaders
  let body: ByteBuffer
  /// The path part of the target, still encoded.
  let path: Substring
  /// What follows the first `?`, still encoded.
  let queryText: Substring

  init(method: HTTPMethod, target: String, headers: HTTPHeaders, body: ByteBuffer) {
    self.method = method
    self.target = target
    self.headers = headers
    self.body = body
    if let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) {
      path = target[..<mark]
      queryText = target[target.index(after: mark)...]
    } else {
      path = target[...]
      queryText = ""
    }
  }

  var query: Query { Query(parsing: queryText) }

  /// The path's segments, decoded; a trailing slash adds none.
  var segments: [String] {
    path.split(separator: "/").map { PercentText.decode($0) }
  }

  /// The media type of the body in lower case, without parameters.
  var mediaType: String? {
    headers.first(name: "content-type").map {
      $0.split(separator: ";", maxSplits: 1).first.map { String($0.filter { $0 != " " }) }?
        .lowercased() ?? ""
    }
  }

  var bodyBytes: [UInt8] { Array(body.readableBytesView) }

  /// The fields of a form body.
  var form: Query { Query(parsing: String(decoding: bodyBytes, as: UTF8.self)) }
}

/// One HTTP answer, complete with its body.
struct SandboxResponse: Sendable {
  var status: HTTPResponseStatus
  var headers: HTTPHeaders
  var body: ByteBuffer

  init(
    status: HTTPResponseStatus = .ok, headers: HTTPHeaders = [:], body: ByteBuffer = ByteBuffer()
  ) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  static func json(_ value: JSONValue, status: HTTPResponseStatus = .ok) -> SandboxResponse {
    SandboxResponse(
      status: status, headers: ["content-type": "application/json"],
      body: ByteBuffer(bytes: value.encoded()))
  }

  static func html(_ text: String, status: HTTPResponseStatus = .ok) -> SandboxResponse {
    SandboxResponse(
      status: status,
      headers: ["content-type": "text/html; charset=utf-8", "cache-control": "no-store"],
      body: ByteBuffer(string: text))
  }

  /// Sends the browser elsewhere, with the small page that BigCommerce's login host shows.
  static func redirect(
    to location: String, status: HTTPResponseStatus = .found
  ) -> SandboxResponse {
    var response = html(
      "<html><body>You are being <a href=\"\(HTMLText.escape(location))\">redirected</a>."
        + "</body></html>", status: status)
    response.headers.add(name: "location", value: location)
    return response
  }
}

/// What a part of the sandbox makes of a request.
enum Outcome: Sendable {
  case now(SandboxResponse)
  case later(EventLoopFuture<SandboxResponse>)
}

/// Text as it may stand between tags and in quoted attributes.
enum HTMLText {
  static func escape(_ text: String) -> String {
    var escaped = ""
    for character in text {
      switch character {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      case "'": escaped += "&#39;"
      default: escaped.append(character)
      }
    }
    return escaped
  }
}
