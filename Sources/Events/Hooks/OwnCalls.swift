import Base
import BigCommerce
import Curl
import Fields
import HTTPTypes
import NIOCore
package import Upstream

/// Calls of a store's API that nobody asked for at the gateway, each as bulk in the store's quota.
package struct OwnCalls: Sendable {
  /// What a call may end in.
  enum Answer: Sendable {
    /// 2xx; null without a body.
    case done(JSONValue)
    /// 4xx other than 401 and 429: the store is not as was thought, or will not have it.
    case refused(status: Int)
  }

  private static let maxWait = Duration.seconds(10)

  private let upstream: Upstream
  private let userAgent: String

  package init(upstream: Upstream, userAgent: String) {
    self.upstream = upstream
    self.userAgent = userAgent
  }

  /// One call, repeated as far as that is safe.
  ///
  /// `path` is relative to the store, and decides about the part of the quota; `query` is empty or
  /// begins with `?`, and is sent as it is. The head must be there within `timeout`, repetitions
  /// included; the answer's body may have `maxBody`.
  func send(
    _ store: StoreEntry, _ method: HTTPRequest.Method, _ path: String, query: String = "",
    body: JSONValue? = nil, timeout: Duration = .seconds(10), maxBody: ByteCount = .mebibytes(4)
  ) async throws(HookFailure) -> Answer {
    guard case .open(let token) = store.token else { throw .tokenUnusable }
    var headers: FieldSection = [.accept: "application/json", .userAgent: userAgent]
    headers.append(.traceparent, TraceSource.shared.begin().traceparent)
    if body != nil { headers[.contentType] = "application/json" }
    let call = StoreCall(
      store: store, token: token, method: method,
      target: "/stores/\(store.installation.store)\(path)\(query)", headers: headers,
      body: body.map { .bytes(ByteBuffer(bytes: $0.encoded())) } ?? .none,
      demand: QuotaDemand(
        caller: "", family: EndpointFamilies.shared.family(method: method, path: path[...]),
        priority: .bulk, maxWait: Self.maxWait), timeout: timeout, retries: 2)
    let response: CurlResponse
    do throws(UpstreamError) { response = try await upstream.call(call) } catch {
      throw HookFailure(error)
    }
    switch response.status {
    case 200..<300: return .done(try await Self.document(response, maxBody))
    case 401: throw .tokenRefused
    case 429, 500...: throw .platform
    default: return .refused(status: response.status)
    }
  }

  private static func document(
    _ response: CurlResponse, _ maxBody: ByteCount
  ) async throws(HookFailure) -> JSONValue {
    let bytes: ByteBuffer
    do throws(CurlError) { bytes = try await response.body.collect(upTo: maxBody) } catch {
      throw .broken
    }
    guard bytes.readableBytes > 0 else { return .null }
    do throws(JSONError) { return try JSONScanner.parse(bytes.readableBytesView) } catch {
      throw .unreadable
    }
  }
}
