import Base
import HTTPTypes
import Storage
import Testing
import Upstream
import Vault

@testable import Gateway

@Suite struct `Rules of keyed writes` {
  private let kept = KeptAnswer(status: 201, fields: [], body: [1])

  private func write(_ claim: String, _ body: [UInt8] = [7]) throws -> KeyedWrite {
    let key = try #require(IdempotencyKey("order-1"))
    return KeyedWrite(
      id: KeyedWriteID(
        installation: try Named.installation("default", "abc"), caller: "c", digest: key.digest),
      fingerprint: key.fingerprint(.post, "/stores/abc/v2/orders", contentType: nil, body: body),
      claim: claim, requestID: try Named.requestID())
  }

  private func record(
    _ state: KeyedWriteRecord.State, of write: KeyedWrite
  ) -> KeyedWriteRecord {
    KeyedWriteRecord(
      fingerprint: write.fingerprint, claim: write.claim, state: state, requestID: "req-0")
  }

  @Test func `what a request has to do follows from what is on record`() throws {
    let first = try write("first")
    let again = try write("again")
    let cases: [(KeyedWriteRecord.State, KeyedWriteStanding, KeyedWriteStanding)] = [
      (.inFlight, .first, .inFlight),
      (.done(status: 201, .kept(kept)), .replay(kept), .replay(kept)),
      (.done(status: 201, .notKept), .notKept(status: 201), .notKept(status: 201)),
      (
        .done(status: 200, .unreadable(reason: "damaged")), .notKept(status: 200),
        .notKept(status: 200)
      ),
      (
        .unknown(cause: "interrupted", status: nil), .unknown(cause: "interrupted", status: nil),
        .unknown(cause: "interrupted", status: nil)
      ),
    ]
    for (state, own, others) in cases {
      #expect(KeyedWriteStanding(record(state, of: first), for: first) == own)
      #expect(KeyedWriteStanding(record(state, of: first), for: again) == others)
      let other = try write("other", [8])
      #expect(KeyedWriteStanding(record(state, of: first), for: other) == .conflict)
    }
  }

  @Test func `a request is another when method, target, content type or body differ`() throws {
    let key = try #require(IdempotencyKey("k"))
    let prints = [
      key.fingerprint(.post, "/a", contentType: nil, body: [1]),
      key.fingerprint(.put, "/a", contentType: nil, body: [1]),
      key.fingerprint(.post, "/a?", contentType: nil, body: [1]),
      key.fingerprint(.post, "/a", contentType: "application/json", body: [1]),
      key.fingerprint(.post, "/a", contentType: nil, body: [1, 1]),
      key.fingerprint(.post, "/a", contentType: nil, body: []),
      try #require(IdempotencyKey("l")).fingerprint(.post, "/a", contentType: nil, body: [1]),
    ]
    #expect(Set(prints).count == prints.count)
  }

  @Test func `only what was certainly not carried out leaves the key free`() {
    let free = [401, 429, 509]
    for status in 200...599 {
      let end = KeyedWriteEnd(status: status)
      if free.contains(status) {
        #expect(end == .free)
      } else if status >= 500 {
        #expect(end == .unknown(.upstreamError, status: status))
      } else {
        #expect(end == .answered(status: status))
      }
    }
    let ends: [(UpstreamError, KeyedWriteEnd)] = [
      (.notSendable, .free), (.unreachable(sent: false), .free), (.timeout(sent: false), .free),
      (.quota(.exhausted(retryAfter: .seconds(1))), .free),
      (.quota(.overloaded(retryAfter: .seconds(1))), .free),
      (.unreachable(sent: true), .unknown(.upstreamBroken, status: nil)),
      (.timeout(sent: true), .unknown(.upstreamTimeout, status: nil)),
      (.broken, .unknown(.upstreamBroken, status: nil)),
      (.bodyFailed, .unknown(.upstreamBroken, status: nil)),
      (.cancelled, .unknown(.upstreamBroken, status: nil)),
      (.draining(sent: false), .free),
      (.draining(sent: true), .unknown(.draining, status: nil)),
    ]
    for (error, end) in ends { #expect(KeyedWriteEnd(error) == end, "\(error)") }
  }

  @Test func `keys are printable ASCII, at most 255 characters`() {
    for text in ["k", "order-118", "\"quoted\"", "!~", String(repeating: "k", count: 255)] {
      #expect(IdempotencyKey(text) != nil)
    }
    for text in ["", " ", "a b", "a\t", "é", "\u{7F}", String(repeating: "k", count: 256)] {
      #expect(IdempotencyKey(text) == nil)
    }
  }
}
