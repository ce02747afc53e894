import Base
import DequeModule
import NIOCore
import NIOHTTP1
import OrderedCollections
import Synchronization

/// What arrived, for tests to count and to look at; bounded.
final class RequestJournal: Sendable {
  /// One request as it arrived, and the status it got.
  struct Entry: Sendable {
    let number: Int
    let host: StaticString
    let method: HTTPMethod
    let target: String
    let headers: HTTPHeaders
    /// The first 16 KiB.
    let body: ByteBuffer
    let bodyLength: Int
    /// The app and store that the token belongs to, whatever the path says.
    let clientID: String?
    let tokenStore: String?
    let at: Timestamp
    let status: Int
  }

  private struct State {
    var entries: Deque<Entry> = []
    var total = 0
    var statuses: [Int: Int] = [:]
    var tokenRequests = 0
    var tokenRequestsByCode: OrderedDictionary<String, Int> = [:]
  }

  /// Bytes of a body that are kept.
  private static let bodyLimit = 16 * 1024
  private let limit: Int
  private let state = Mutex(State())

  init(limit: Int) {
    self.limit = limit
  }

  func record(
    host: StaticString, request: SandboxRequest, status: Int, clientID: String?,
    tokenStore: String?, at now: Timestamp
  ) {
    var body = request.body
    let length = body.readableBytes
    let kept =
      body.readableBytes <= RequestJournal.bodyLimit
      ? body : ByteBuffer(bytes: body.readBytes(length: RequestJournal.bodyLimit) ?? [])
    state.withLock { state in
      state.total += 1
      state.statuses[status, default: 0] += 1
      guard limit > 0 else { return }
      if state.entries.count >= limit { state.entries.removeFirst() }
      state.entries.append(
        Entry(
          number: state.total, host: host, method: request.method, target: request.target,
          headers: request.headers, body: kept, bodyLength: length, clientID: clientID,
          tokenStore: tokenStore,
          at: now, status: status))
    }
  }

  /// Counts one request at the token endpoint.
  func countTokenRequest(code: String?) {
    state.withLock { state in
      state.tokenRequests += 1
      guard let code else { return }
      if state.tokenRequestsByCode.count >= 50_000 { state.tokenRequestsByCode.removeFirst() }
      state.tokenRequestsByCode[code, default: 0] += 1
    }
  }

  func clear() {
    state.withLock { $0 = State() }
  }

  func entries(after number: Int, limit: Int, where isWanted: (Entry) -> Bool) -> [Entry] {
    state.withLock { state in
      var wanted: [Entry] = []
      for entry in state.entries where entry.number > number && isWanted(entry) {
        wanted.append(entry)
        if wanted.count >= limit { break }
      }
      return wanted
    }
  }

  /// The newest ones first.
  func latest(_ limit: Int, where isWanted: (Entry) -> Bool) -> [Entry] {
    state.withLock { state in
      var wanted: [Entry] = []
      for entry in state.entries.reversed() where isWanted(entry) {
        wanted.append(entry)
        if wanted.count >= limit { break }
      }
      return wanted
    }
  }

  /// `total`, `token_requests`, `codes` and `statuses`.
  var counters: JSONValue {
    state.withLock { state in
      [
        "total": .integer(state.total), "token_requests": .integer(state.tokenRequests),
        "codes": .object(
          state.tokenRequestsByCode.map { .init($0.key, .integer($0.value)) }),
        "statuses": .object(
          state.statuses.sorted { $0.key < $1.key }.map {
            .init(String($0.key), .integer($0.value))
          }
        ),
      ]
    }
  }
}

extension RequestJournal.Entry {
  var document: JSONValue {
    [
      "number": .integer(number), "host": .string(host.description),
      "method": .string(method.rawValue), "target": .string(target),
      "headers": .array(headers.map { .array([.string($0.name), .string($0.value)]) }),
      "body": .string(String(decoding: body.readableBytesView, as: UTF8.self)),
      "body_base64": .string(Base64.encode(Array(body.readableBytesView))),
      "body_length": .integer(bodyLength),
      "client_id": clientID.map { .string($0) } ?? .null,
      "token_store": tokenStore.map { .string($0) } ?? .null,
      "at": .string(at.description), "status": .integer(status),
    ]
  }
}
