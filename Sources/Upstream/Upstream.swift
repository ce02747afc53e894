package import Base
import BigCommerce
package import Curl
package import HTTPTypes
package import NIOCore
import Storage

/// One call to one store, decided upon and ready to be sent.
package struct StoreCall: Sendable {
  package let store: StoreEntry
  package let token: Secret<String>
  package let method: HTTPRequest.Method
  /// Checked bytes that begin with the store's own path.
  package let target: String
  /// Without the token, which is added when it is sent.
  package let headers: HTTPFields
  package let body: CurlRequest.Body
  /// Until the head of the answer.
  package let timeout: Duration

  package init(
    store: StoreEntry, token: Secret<String>, method: HTTPRequest.Method, target: String,
    headers: HTTPFields, body: CurlRequest.Body, timeout: Duration
  ) {
    self.store = store
    self.token = token
    self.method = method
    self.target = target
    self.headers = headers
    self.body = body
    self.timeout = timeout
  }
}

/// Why a call to a store brought no answer, in the words that a caller can act on.
package enum UpstreamError: Error, Equatable {
  /// Something in the request may not be sent; nothing was.
  case notSendable
  /// BigCommerce could not be reached; nothing was sent.
  case unreachable
  /// The connection broke, or what came is no answer. The call may have been carried out.
  case broken
  /// No answer in time. `sent`: whether the call may have been carried out.
  case timeout(sent: Bool)
  /// The caller's own body failed.
  case bodyFailed
  /// The caller went away.
  case cancelled
  /// This replica is shutting down.
  case draining

  init(_ error: CurlError) {
    self =
      switch error {
      case .invalidRequest: .notSendable
      case .resolveFailed, .connectFailed, .connectTimeout, .tlsFailed, .tlsTimeout,
        .unusableLibrary:
        .unreachable
      case .firstByteTimeout, .stalled, .totalTimeout: .timeout(sent: error.wasSent)
      case .sendFailed, .broken, .tooLarge, .failed: .broken
      case .uploadFailed: .bodyFailed
      case .cancelled: .cancelled
      case .shutDown: .draining
      }
  }
}

/// The transfer of a call and what is learned from it; who may call what is decided before.
package struct Upstream: Sendable {
  private let client: CurlClient
  private let origin: Origin
  private let suspicions: Suspicions
  private let clock: WallClock

  package init(
    client: CurlClient, origin: Origin, suspicions: Suspicions, clock: WallClock = .system
  ) {
    self.client = client
    self.origin = origin
    self.suspicions = suspicions
    self.clock = clock
  }

  /// Sends the call and returns when the head of the answer is in; cancelling the task ends the
  /// transfer.
  package func call(
    _ call: StoreCall, on loop: (any EventLoop)? = nil
  ) async throws(UpstreamError) -> CurlResponse {
    var headers = call.headers
    headers.append(HTTPField(name: .authToken, value: call.token.expose()))
    let request = CurlRequest(
      origin: origin, method: call.method, target: call.target, headers: headers, body: call.body,
      firstByteTimeout: call.timeout)
    do throws(CurlError) {
      let response = try await client.send(request, on: loop)
      observe(response, call.store)
      return response
    } catch {
      throw UpstreamError(error)
    }
  }

  private func observe(_ response: CurlResponse, _ store: StoreEntry) {
    store.activity.observe(
      status: response.status, quota: QuotaHeaders(response.headers), at: clock.now())
    if response.status == 401 { suspicions.report(store.installation, store.generation) }
  }
}

extension HTTPField.Name {
  private static func known(_ text: StaticString) -> HTTPField.Name {
    guard let name = HTTPField.Name(text.description) else {
      preconditionFailure("not a field name: \(text)")
    }
    return name
  }

  /// `X-Auth-Token`: the caller's service key on the way in, the store's token on the way out.
  package static let authToken = known("X-Auth-Token")
}
