import Base
import NIOCore
import NIOHTTP1

/// A misbehaviour ordered through the control API, and the requests that it meets.
struct Fault: Sendable {
  /// How the answer reaches the client.
  enum Delivery: Sendable {
    case plain
    case never
    case reset
    case raw(ByteBuffer)
    case oversize(bytes: Int)
    case cut(Cut)
    case slow(bytes: Int, interval: Duration)
  }

  let id: Int
  let match: FaultMatch
  /// Matching requests that pass before the first one is met.
  var skip: Int
  /// Requests still to meet; `nil` without end.
  var remaining: Int?
  /// Which of the matching requests are met, by chance; `nil` means all.
  var chance: FaultChance?
  var hits = 0
  /// Time before anything else happens.
  let delay: Duration
  /// Whether the request takes effect although its answer is spoiled.
  let carriesOut: Bool
  /// The answer in place of the true one, when the request is not carried out.
  let replacement: SandboxResponse
  let delivery: Delivery
  /// As ordered, for the list.
  let order: JSONValue
}

/// A share of requests, the same ones for the same seed when they come in the same order.
struct FaultChance: Sendable {
  /// From 0 to 1.
  let share: Double
  private var random: SplitMix64

  init(share: Double, seed: Int64) {
    self.share = share
    random = SplitMix64(seed: UInt64(bitPattern: seed))
  }

  /// Whether the next request is one of them.
  mutating func falls() -> Bool { Double.random(in: 0..<1, using: &random) < share }
}

/// Which requests a fault meets; `nil` means any.
struct FaultMatch: Sendable {
  /// `api`, `login`, or `nil` for both; the control API and the panel are never met.
  let host: String?
  let method: String?
  /// Begins with the version on the API host (`/v3/catalog`), is the whole path on the login host.
  let pathPrefix: String?
  let store: String?

  func meets(method: String, place: RequestPlace) -> Bool {
    if let host, host != place.host { return false }
    if let wanted = self.method, wanted != method { return false }
    if let store, store != place.store.map(String.init) { return false }
    if let pathPrefix, !place.path.hasPrefix(pathPrefix) { return false }
    return true
  }
}

/// Where a request is aimed at, in the words of ``FaultMatch``.
struct RequestPlace: Sendable {
  let host: String
  let store: Substring?
  let path: Substring

  /// `nil` for the control API, the panel and everything unknown.
  init?(path: Substring) {
    if path.hasPrefix("/stores/") {
      let rest = path.dropFirst("/stores/".count)
      let end = rest.firstIndex(of: "/") ?? rest.endIndex
      host = "api"
      store = rest[..<end]
      self.path = rest[end...]
    } else if path.hasPrefix("/oauth2/") || path.hasPrefix("/app/") {
      host = "login"
      store = nil
      self.path = path
    } else {
      return nil
    }
  }
}
