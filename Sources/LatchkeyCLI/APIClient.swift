import Base
import Curl
import Fields
import HTTPTypes
import NIOCore
import NIOPosix
import Reactor

/// A call to the service.
struct APICall: Sendable {
  var method: HTTPRequest.Method = .get
  /// Path and query, beginning with `/`.
  var target: String
  var body: [UInt8]?
  var contentType = "application/json"
  /// The app that the gateway should use; `nil` for the key's own.
  var app: String?
  /// How long the service may think.
  var patience: Duration = .seconds(150)
}

/// An answer of the service, complete.
struct APIReply: Sendable {
  let status: Int
  let headers: FieldSection
  let body: [UInt8]

  var isSuccess: Bool { (200..<300).contains(status) }

  /// What the answer is about, in the service's log.
  var requestID: String? { headers[.requestID] }

  /// Whether the gateway passed on what BigCommerce said.
  var isFromUpstream: Bool { headers.first(.latchkeyOrigin, is: "upstream") }

  /// The failure that this answer stands for.
  var failure: APIFailure { APIFailure(status: status, body: body, requestID: requestID) }
}

/// Talks to the API of a running service.
struct APIClient: Sendable {
  let address: ServiceAddress
  let curl: CurlClient
  private static let maxBody = ByteCount.mebibytes(256)

  /// Lends a client for the service that the environment names.
  static func with<Value: Sendable>(
    _ console: Console, _ body: (APIClient) async throws -> Value
  ) async throws -> Value {
    let address = try ServiceAddress(console.environment)
    let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let reactor = try Reactor(loops: Array(loops.makeIterator()))
    var settings = CurlSettings()
    settings.userAgent = "latchkey-cli"
    settings.stallTimeout = .seconds(60)
    settings.caFile = address.caFile
    settings.clientIdentity = address.clientIdentity
    let curl = try CurlClient(reactor: reactor, settings: settings)
    let result: Result<Value, any Error>
    do {
      result = .success(try await body(APIClient(address: address, curl: curl)))
    } catch {
      result = .failure(error)
    }
    await curl.shutdown()
    await reactor.shutdown()
    try await loops.shutdownGracefully()
    return try result.get()
  }

  /// Makes a call; any status is an answer.
  func send(_ call: APICall) async throws(CommandFailure) -> APIReply {
    var headers: FieldSection = [.authorization: "Bearer \(address.key.expose())"]
    if call.body != nil { headers[.contentType] = call.contentType }
    if let app = call.app { headers[.latchkeyApp] = app }
    let request = CurlRequest(
      origin: address.origin, method: call.method, target: call.target, headers: headers,
      body: call.body.map { .bytes(ByteBuffer(bytes: $0)) } ?? .none,
      firstByteTimeout: call.patience)
    do throws(CurlError) {
      let response = try await curl.send(request)
      let body = try await response.body.collect(upTo: APIClient.maxBody)
      return APIReply(
        status: response.status, headers: response.headers, body: Array(body.readableBytesView))
    } catch {
      throw failure(error, of: call)
    }
  }

  /// Makes a call to the JSON API.
  ///
  /// - Returns: the document, null for an answer without one.
  /// - Throws: ``APIFailure`` for anything but success.
  func document(_ call: APICall) async throws -> JSONValue {
    let reply = try await send(call)
    guard reply.isSuccess else { throw reply.failure }
    guard !reply.body.isEmpty else { return .null }
    guard let document = try? JSONScanner.parse(reply.body) else {
      throw CommandFailure(
        text: "What answers at \(address.origin) is not Latchkey's API: its answer is no JSON.")
    }
    return document
  }

  /// All rows of a list, page after page.
  func rows(
    _ path: String, _ query: APIPath.Query = [], progress: Console
  ) async throws -> [JSONValue] {
    var rows: [JSONValue] = []
    var after: String?
    defer { progress.endProgress() }
    repeat {
      let target = APIPath.target(path, query + [("limit", "1000"), ("after", after)])
      let page = try await document(APICall(target: target))
      guard let data = page["data"]?.array else {
        throw CommandFailure(text: "The answer to \(path) is no list.")
      }
      rows += data
      let next = page["next"]?.string
      guard next == nil || next != after else {
        throw CommandFailure(text: "The list at \(path) does not end: the same page came twice.")
      }
      after = next
      if after != nil { progress.progress("\(rows.count) so far") }
    } while after != nil
    return rows
  }

  /// The first rows of a list that may be long, at most `limit`.
  ///
  /// - Returns: also the cursor behind them, `nil` when nothing can follow.
  func rows(
    _ path: String, _ query: APIPath.Query, atMost limit: Int, after start: String?,
    progress: Console
  ) async throws -> (rows: [JSONValue], next: String?) {
    var rows: [JSONValue] = []
    var after = start
    defer { progress.endProgress() }
    while true {
      let chunk = String(min(1000, limit - rows.count))
      let target = APIPath.target(path, query + [("limit", chunk), ("after", after)])
      let page = try await document(APICall(target: target))
      guard let data = page["data"]?.array else {
        throw CommandFailure(text: "The answer to \(path) is no list.")
      }
      rows += data
      let next = page["next"]?.string
      // A feed has a cursor also at its end, and says whether there is more.
      let hasMore = page["more"]?.bool ?? (next != nil)
      guard hasMore, rows.count < limit else { return (rows, next) }
      guard next != after else {
        throw CommandFailure(text: "The list at \(path) does not end: the same page came twice.")
      }
      after = next
      progress.progress("\(rows.count) so far")
    }
  }

  func failure(_ error: CurlError, of call: APICall) -> CommandFailure {
    let place = address.origin.text
    switch error {
    case .invalidRequest:
      return .usage("The path may not be sent as it is: \(Table.printable(call.target))")
    case .resolveFailed, .connectFailed, .connectTimeout:
      return CommandFailure(
        text: "Nothing answers at \(place). Is the service running (latchkey serve), and does "
          + "LATCHKEY_URL name its internal listener?")
    case .tlsFailed, .tlsTimeout:
      return CommandFailure(
        text: "No trusted TLS connection to \(place): it does not speak TLS, or its certificate is "
          + "not one that this machine trusts for that name. LATCHKEY_CA_FILE names a PEM file with "
          + "further authorities to trust.")
    default:
      let outcome =
        error.wasSent && ![.get, .head].contains(call.method)
        ? " It may have been done: look before you repeat it." : ""
      // With TLS 1.3 a listener says that it wants a certificate after the handshake, by ending the
      // connection.
      let isUnproven = address.origin.scheme == .https && address.clientIdentity == nil
      let advice =
        isUnproven
        ? " If the listener asks for a certificate, name yours in LATCHKEY_CLIENT_CERT and "
          + "LATCHKEY_CLIENT_KEY." : ""
      return CommandFailure(text: "The call to \(place) broke off (\(error)).\(outcome)\(advice)")
    }
  }
}

/// Builds paths of the API.
enum APIPath {
  typealias Query = [(String, String?)]

  /// The path with those parameters that have a value.
  static func target(_ path: String, _ query: Query = []) -> String {
    let items = query.compactMap { name, value in value.map { "\(name)=\(escaped($0))" } }
    return items.isEmpty ? path : path + "?" + items.joined(separator: "&")
  }

  /// The text as one segment of a path, or one value of a query.
  static func escaped(_ text: String) -> String {
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
        UInt8(ascii: "."), UInt8(ascii: "~"):
        bytes.append(byte)
      default: bytes += Array("%\(Hex.encode([byte]).uppercased())".utf8)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
