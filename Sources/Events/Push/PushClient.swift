package import Base
package import BigCommerce
package import Curl
import Fields
import HTTPTypes
import NIOCore
import Storage

/// Sends one push and reads what came of it.
///
/// The answer is read to its beginning only; redirects are not followed.
package struct PushClient: Sendable {
  /// For the whole of an attempt, unless a test is in a hurry.
  package static let timeout = Duration.seconds(15)
  /// So much of an answer's body is kept for the log.
  static let keptAnswer = ByteCount.kibibytes(2)

  private let client: CurlClient
  private let policy: OutboundPolicy
  private let wall: WallClock
  private let clock: MonotonicClock
  private let userAgent: String
  private let timeout: Duration

  /// The client is for pushes alone, because all its requests ask the policy.
  package init(
    client: CurlClient, policy: OutboundPolicy, wall: WallClock = .system,
    clock: MonotonicClock = .system, userAgent: String, timeout: Duration = PushClient.timeout
  ) {
    self.client = client
    self.policy = policy
    self.wall = wall
    self.clock = clock
    self.userAgent = userAgent
    self.timeout = timeout
  }

  /// One attempt; `nil` when the task was cancelled and nobody knows what came of it.
  ///
  /// - Parameters:
  ///   - url: as it is stored.
  ///   - id: `webhook-id`.
  ///   - body: what is sent and signed.
  ///   - keys: each makes one signature.
  ///   - trace: which the push is part of.
  /// - Returns: what the subscriber answered, or why it did not.
  package func send(
    to url: String, id: String, body: [UInt8], keys: [WebhookKey],
    trace: TraceContext = TraceSource.shared.begin()
  ) async -> PushAnswer? {
    let sentAt = wall.now()
    let began = clock.now()
    func answer(
      _ status: Int?, _ failure: String?, _ verdict: PushAnswer.Verdict = .refused,
      retryAfter: Duration? = nil, body: String = ""
    ) -> PushAnswer {
      PushAnswer(
        verdict: verdict, retryAfter: retryAfter,
        attempt: PushAttempt(
          sentAt: sentAt, url: url, status: status, failure: failure, took: clock.now() - began,
          answer: body))
    }
    guard let target = PushURL(url) else { return answer(nil, "bad_url") }
    guard !keys.isEmpty else { return answer(nil, "no_secret") }
    let request = request(to: target, id: id, sentAt: sentAt, body: body, keys: keys, trace)
    do throws(CurlError) {
      let response = try await client.send(request)
      let text = await beginning(of: response.body)
      return answer(
        response.status, PushAnswer.failure(of: response.status),
        PushAnswer.verdict(of: response.status),
        retryAfter: PushAnswer.retryAfter(response.status, response.headers, now: wall.now()),
        body: text)
    } catch .cancelled, .shutDown {
      return nil
    } catch {
      return answer(nil, error.pushFailure)
    }
  }

  private func request(
    to target: PushURL, id: String, sentAt: Timestamp, body: [UInt8], keys: [WebhookKey],
    _ trace: TraceContext
  ) -> CurlRequest {
    let signatures = keys.map {
      StandardWebhooks.sign(id: id, timestamp: sentAt.seconds, body: body, key: $0)
    }
    var headers: FieldSection = [.contentType: "application/json", .userAgent: userAgent]
    headers[.webhookID] = id
    headers[.webhookTimestamp] = String(sentAt.seconds)
    headers.append(.traceparent, trace.traceparent)
    headers[.webhookSignature] = signatures.joined(separator: " ")
    var request = CurlRequest(
      origin: target.origin, method: .post, target: target.target, headers: headers,
      body: .bytes(ByteBuffer(bytes: body)), firstByteTimeout: timeout,
      totalTimeout: timeout)
    request.mayConnect = { [policy] in policy.permits($0, for: target) }
    return request
  }

  /// What the status said stands, whatever becomes of the body.
  private func beginning(of body: CurlResponseBody) async -> String {
    var bytes: [UInt8] = []
    var iterator = body.makeAsyncIterator()
    do throws(CurlError) {
      while bytes.count < PushClient.keptAnswer.bytes, let chunk = try await iterator.next() {
        bytes += chunk.readableBytesView
      }
    } catch {
      // The log shows what there is.
    }
    return String(decoding: bytes.prefix(PushClient.keptAnswer.bytes), as: UTF8.self).printable
  }
}

extension String {
  /// Without control characters but line ends and tabs.
  fileprivate var printable: String {
    let kept = unicodeScalars.filter { scalar in
      scalar == "\n" || scalar == "\t"
        || scalar.value >= 0x20 && !(0x7F..<0xA0).contains(scalar.value)
    }
    return String(String.UnicodeScalarView(kept))
  }
}

extension CurlError {
  /// A fixed word for the log of a push.
  fileprivate var pushFailure: String {
    switch self {
    case .invalidRequest: "bad_url"
    case .resolveFailed: "unresolved"
    case .addressRefused: "address_refused"
    case .connectFailed: "connect_failed"
    case .connectTimeout: "connect_timeout"
    case .tlsFailed: "tls_failed"
    case .tlsTimeout: "tls_timeout"
    case .firstByteTimeout, .stalled, .totalTimeout: "timeout"
    case .sendFailed, .uploadFailed, .broken, .tooLarge, .cancelled, .shutDown, .unusableLibrary,
      .failed:
      "broken"
    }
  }
}
