import Base
import NIOCore
import NIOHTTP1

/// One authenticated call to a store's API, as a resource sees it.
struct APICall: Sendable {
  let request: SandboxRequest
  let version: APIVersion
  let store: String
  let clientID: String
  let query: Query
  let now: Timestamp
  let text: RandomText
  let scheme: String
  let blocklist: Blocklist
  /// What the route's `{…}` segments stood for.
  var parameters: [Substring] = []

  /// Where the caller found the API host, for links in V2 answers.
  var origin: String { "\(scheme)://" + (request.headers.first(name: "host") ?? "localhost") }

  /// The number in the n-th `{…}` segment.
  func id(_ index: Int = 0) throws(APIFailure) -> Int64 {
    guard index < parameters.count, let id = Int64(parameters[index]), id >= 0 else {
      throw .noRoute
    }
    return id
  }

  /// The JSON body.
  func json() throws(APIFailure) -> JSONValue {
    guard let mediaType = request.mediaType, !mediaType.isEmpty else { throw .missingMediaType }
    guard mediaType == "application/json" else { throw .unsupportedMediaType(mediaType) }
    do throws(JSONError) {
      return try JSONScanner.parse(request.body.readableBytesView)
    } catch {
      throw .malformedJSON
    }
  }

  /// The JSON body, which must be an object.
  func object() throws(APIFailure) -> JSONValue {
    let document = try json()
    guard document.members != nil else { throw .invalid("body", "error.expected.jsobject") }
    return document
  }

  /// The JSON body, which must be an array of at most so many objects.
  func array(limit: Int) throws(APIFailure) -> [JSONValue] {
    guard let items = try json().array else { throw .invalid("body", "error.expected.jsarray") }
    guard items.count <= limit else { throw .tooManyItems(limit) }
    guard items.allSatisfy({ $0.members != nil }) else {
      throw .invalid("body", "error.expected.jsobject")
    }
    return items
  }

  /// `page` and `limit`, and the cursor where the resource has cursors.
  func window(allowsCursor: Bool = false) throws(APIFailure) -> PageWindow {
    try PageWindow(query: query, allowsCursor: allowsCursor)
  }

  /// The moment of the `If-Modified-Since` header.
  var ifModifiedSince: Timestamp? {
    request.headers.first(name: "if-modified-since").flatMap(CalendarText.parseHTTPDate)
  }
}

/// What a resource answers.
struct APIAnswer: Sendable {
  var status: HTTPResponseStatus = .ok
  var headers: HTTPHeaders = [:]
  var body: ByteBuffer?

  /// False for what depends on the moment.
  var isCacheable = true

  static let noContent = APIAnswer(status: .noContent)
  static let notModified = APIAnswer(status: .notModified)

  /// A document without an envelope.
  static func bare(_ value: JSONValue, status: HTTPResponseStatus = .ok) -> APIAnswer {
    APIAnswer(status: status, body: ByteBuffer(bytes: value.encoded()))
  }

  /// `{"data": …, "meta": {}}`.
  static func data(_ value: JSONValue, status: HTTPResponseStatus = .ok) -> APIAnswer {
    bare(["data": value, "meta": [:]], status: status)
  }

  /// One page in V3's envelope.
  static func page(_ page: Page) -> APIAnswer {
    bare(["data": .array(page.items), "meta": page.meta])
  }

  /// A V2 list: a bare array, or 204 when it is empty.
  static func list(_ items: [JSONValue]) -> APIAnswer {
    items.isEmpty ? .noContent : bare(.array(items))
  }

  /// The same, made anew for each call.
  var uncached: APIAnswer {
    var answer = self
    answer.isCacheable = false
    return answer
  }

  /// The same with `Last-Modified`.
  func modified(_ moment: Timestamp) -> APIAnswer {
    var answer = self
    answer.headers.add(name: "last-modified", value: CalendarText.httpDate(moment))
    return answer
  }
}
