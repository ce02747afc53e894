import Base
import BigCommerce
import Events
import Fields
import Gateway
import HTTPTypes
import NIOCore
import TestSupport
import Testing

@testable import Web

/// The lane is a second way for the same thing: whatever a client sends, the bytes that come back
/// are those of the ordinary way.
@Suite struct `The lane` {
  private static let seed: UInt64 = 20_261_121

  @Test func `answers as the ordinary way does, byte for byte`() async throws {
    try await compareWays(
      count(ordinary: 2_000, full: 10_000), \.internalPort, \.internalCounters,
      Conversation.request)
  }

  @Test func `answers deliveries as the ordinary way does, byte for byte`() async throws {
    try await compareWays(
      count(ordinary: 2_000, full: 10_000), \.publicPort, \.publicCounters, Conversation.delivery)
  }

  private func compareWays(
    _ total: Int, _ port: @escaping @Sendable (ListenerFixture.Running) -> Int,
    _ counters: (ListenerFixture) -> ListenerCounters,
    _ request: @escaping Conversation.MakeRequest
  ) async throws {
    var (lane, ordinary) = (ListenerFixture(), ListenerFixture())
    (lane.gateway, ordinary.gateway) = (.manifold, .manifold)
    (lane.deliveries, ordinary.deliveries) = (.manifold, .manifold)
    ordinary.hasLane = false
    let (first, second) = (lane, ordinary)
    try await first.run { lane in
      try await second.run { ordinary in
        try await withThrowingTaskGroup(of: Void.self) { tasks in
          for worker in 0..<4 {
            tasks.addTask {
              try await blocking {
                try Self.compare(total / 4, worker, port(lane), port(ordinary), request)
              }
            }
          }
          try await tasks.waitForAll()
        }
      }
    }
    #expect(counters(first).requestsInFlight == 0)
    #expect(counters(second).requestsInFlight == 0)
  }

  private static func compare(
    _ total: Int, _ worker: Int, _ lane: Int, _ ordinary: Int,
    _ request: Conversation.MakeRequest
  ) throws {
    var generator = SeededGenerator(seed: seed + UInt64(worker))
    var sent = 0
    while sent < total {
      let conversation = Conversation(request, &generator)
      sent += conversation.requestCount
      let new = try conversation.play(on: lane)
      let old = try conversation.play(on: ordinary)
      // The reset that ends a broken answer overtakes bytes, at times its head and those before.
      let isBroken =
        new.wasReset && old.wasReset || (new.text + old.text).contains("X-Broken: yes")
      let isSame =
        isBroken
        ? new.text.hasPrefix(old.text) || old.text.hasPrefix(new.text)
        : !new.wasReset && !old.wasReset && new.text == old.text
      guard isSame else {
        Issue.record(
          """
          seed \(seed), worker \(worker), after \(sent):
          \(conversation.pieces.joined())
          --- lane (reset: \(new.wasReset))
          \(difference(new.text, old.text))
          --- ordinary (reset: \(old.wasReset))
          \(difference(old.text, new.text))
          """)
        return
      }
    }
  }
}

/// The last lines that two texts share, and the next ones of the first.
private func difference(_ text: String, _ other: String) -> String {
  let same = zip(text.utf8, other.utf8).prefix { $0 == $1 }.count
  return String(decoding: text.utf8.dropFirst(max(0, same - 300)).prefix(600), as: UTF8.self)
}

/// What a client sends on one connection, in pieces.
private struct Conversation {
  typealias MakeRequest =
    @Sendable (_ isLast: Bool, _ generator: inout SeededGenerator) -> String

  private(set) var pieces: [String]
  let requestCount: Int

  init(_ request: MakeRequest, _ generator: inout SeededGenerator) {
    requestCount = Int.random(in: 1...6, using: &generator)
    var requests: [String] = []
    for index in 0..<requestCount {
      requests.append(request(index == requestCount - 1, &generator))
    }
    switch Int.random(in: 0..<3, using: &generator) {
    case 0: pieces = [requests.joined()]
    case 1: pieces = requests
    default:
      let bytes = Array(requests.joined().utf8)
      let cut = Int.random(in: 0...bytes.count, using: &generator)
      pieces = [bytes[..<cut], bytes[cut...]].map { String(decoding: $0, as: UTF8.self) }
    }
  }

  /// Everything that comes back, without the moment at which it did.
  func play(on port: Int) throws -> (text: String, wasReset: Bool) {
    let connection = try RawConnection(port: port)
    for piece in pieces where !piece.isEmpty { connection.send(piece) }
    let (text, wasReset) = connection.receiveToEnd()
    var lines = text.split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
    for index in lines.indices {
      let line = lines[index].lowercased()
      if line.hasPrefix("date: ") { lines[index] = "Date: now" }
      // Made in the order of arrival, in which the connections of a listener take turns.
      lines[index].replace(/r1-[0-9a-z]{7}/, with: "r1-made")
    }
    return (lines.joined(separator: "\r\n"), wasReset)
  }

  @Sendable static func request(isLast: Bool, _ generator: inout SeededGenerator) -> String {
    let method = ["GET", "GET", "GET", "HEAD", "POST", "DELETE"].randomElement(using: &generator)
    let version = Int.random(in: 0..<40, using: &generator) == 0 ? "1.0" : "1.1"
    // Whoever is refused before the body is in is told so by the end of the connection.
    let target = target(&generator, isRelayed: method == "POST")
    var head = "\(method ?? "GET") \(target) HTTP/\(version)\r\nHost: h:1\r\n"
    if Int.random(in: 0..<30, using: &generator) == 0 {
      head += (endings.randomElement(using: &generator) ?? "") + "\r\n"
    }
    for _ in 0..<Int.random(in: 0...4, using: &generator) {
      head += (fields.randomElement(using: &generator) ?? "") + "\r\n"
    }
    if isLast { head += "Connection: close\r\n" }
    guard method == "POST" else { return head + "\r\n" }
    return head + "Content-Length: 5\r\n\r\nhello"
  }

  /// To the public listener, most of them deliveries that come whole.
  @Sendable static func delivery(isLast: Bool, _ generator: inout SeededGenerator) -> String {
    let target =
      [
        "/webhooks/default/a\(Int.random(in: 0..<100, using: &generator))",
        "/webhooks/default/a7/exceptions", "/webhooks/other/a1", "/webhooks/default/", "/healthz",
      ].randomElement(using: &generator) ?? "/"
    let size = [0, 1, 300, 300, 300, 5000, 65_536, 65_537].randomElement(using: &generator) ?? 0
    var head = "POST \(target) HTTP/1.1\r\nHost: h:1\r\n"
    if Int.random(in: 0..<40, using: &generator) == 0 { head.replace("/1.1", with: "/1.0") }
    for _ in 0..<Int.random(in: 0...4, using: &generator) {
      head += ((fields + secrets).randomElement(using: &generator) ?? "") + "\r\n"
    }
    // Whoever is refused before the body is in is told so by the end of the connection.
    if isLast || size > 65_536 || !target.hasPrefix("/webhooks/default/a") {
      head += "Connection: close\r\n"
    }
    let body = String(repeating: "x", count: size)
    guard Int.random(in: 0..<10, using: &generator) == 0, size > 0 else {
      return head + "Content-Length: \(size)\r\n\r\n" + body
    }
    return head + "Transfer-Encoding: chunked\r\n\r\n"
      + "\(String(size, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
  }

  private static let secrets = [
    "X-Latchkey-Webhook-Secret: s1", "webhook-id: i", "Webhook-Signature: v1,x",
    "webhook-timestamp: 1",
  ]

  private static func target(
    _ generator: inout SeededGenerator, isRelayed: Bool
  ) -> String {
    let number = Int.random(in: 0..<100_000, using: &generator)
    if isRelayed { return "/stores/abc/v3/\(number)" }
    return [
      "/stores/abc/v3/\(number)", "/stores/abc/v3/\(number)", "/stores/abc/v3/\(number)",
      "/stores/abc/v3/\(number)", "/stores//\(number)/../x?y=%2F&\(number)", "/stores/\(number)",
      "/livez", "/stores", "/v1/none", "/stores/abc/v3/%zz\(number)",
    ].randomElement(using: &generator) ?? "/"
  }

  private static let fields = [
    "Accept: application/json", "accept:*/*", "X-Request-Id: given-1", "X-Request-Id: not good",
    "X-Request-Id:", "Connection: keep-alive", "Connection: x-a",
    "X-A:\t spaced \t", "X-Empty:", "X-Twice: 1\r\nX-Twice: 2", "X-Utf8: \u{E9}\u{20AC}",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "traceparent: none",
    "tracestate: a=1", "X_Under: 1", "If-None-Match: \"a\"", "Authorization: Bearer x",
    "X-Forwarded-For: 1.2.3.4",
  ]

  /// Fields that end the connection, and some that are refused when they come twice.
  private static let endings = [
    "Connection: close", "Connection: x-a, close", "Upgrade: h2c", "Content-Length: 0",
    "Host: h:2", "Expect: 100-continue", "Bad Name: 1",
  ]
}

extension StubDeliveries {
  /// One of the answers, by what arrived.
  fileprivate static let manifold = StubDeliveries { request in
    let sum = request.body.count + request.secrets.count + request.signature.ids.count
    let number = Int(request.pathToken.dropFirst()) ?? 0
    return [.taken, .taken, .unknownAddress, .forged("x"), .unavailable][(number + sum) % 5]
  }
}

extension StubGateway {
  /// One of many kinds of answers, by the number in the target.
  fileprivate static let manifold = StubGateway { request in
    var length = 0
    do {
      if let body = request.body { for try await part in body { length += part.readableBytes } }
    } catch {
      return .text("broken body", status: 400)
    }
    let digits = request.target.utf8.filter { (0x30...0x39).contains($0) }
    let number = digits.reduce(length) { ($0 &* 10 &+ Int($1)) & 0xFFFF_FFFF }
    var headers: FieldSection = [
      .contentType: "text/x-\(number % 7)", .latchkeyOrigin: "upstream",
      .requestID: request.requestID.text,
    ]
    // Which trace it is, unless it began here.
    if request.trace.isContinued { headers[.server] = "\(request.trace.traceID)" }
    if number % 3 == 0 { headers[.cacheControl] = "max-age=\(number)" }
    if number % 5 == 0 { headers[.eTag] = "\"\(request.headers.count)\"" }
    if request.method == .head, number % 2 == 0 { headers[.contentLength] = "\(number % 9999)" }
    let status = [200, 200, 200, 201, 204, 207, 301, 304, 404, 422, 500, 503][number % 12]
    let isBroken = [34, 35, 39].contains((number / 12) % 40)
    if isBroken { headers.append("X-Broken".utf8.span, "yes".utf8.span) }
    return GatewayResponse(
      status: status, headers: headers, body: body(number, isEmpty: status == 204 || status == 304))
  }

  private struct Broken: Error {}

  private static func body(_ number: Int, isEmpty: Bool) -> GatewayResponse.Body {
    if isEmpty { return .bytes(ByteBuffer()) }
    let parts = (0..<(number % 5)).map { part in
      ByteBuffer(repeating: UInt8(0x61 + part), count: (number &* 31 &+ part &* 977) % 40_000)
    }
    let total = parts.reduce(0) { $0 + $1.readableBytes }
    let kind = (number / 12) % 40
    guard kind >= 30 else {
      return .bytes(parts.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) })
    }
    let stream = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
      for part in parts { continuation.yield(part) }
      continuation.finish(throwing: kind == 39 ? Broken() : nil)
    }
    switch kind {
    case 30...33: return .stream(length: total, stream)
    // Longer than what comes, or shorter.
    case 34: return .stream(length: total + 1, stream)
    case 35: return .stream(length: max(0, total - 1), stream)
    default: return .stream(length: nil, stream)
    }
  }
}
