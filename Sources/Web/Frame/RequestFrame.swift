import Base
import Curl
import Gateway
import HTTPTypes

/// What happens to every request of a listener, whatever its way: an ID, the common fields, a line
/// in the log.
struct RequestFrame: Sendable {
  /// The listener's name.
  let name: String
  let proxies: TrustedProxies
  let requestIDs: RequestIDSource
  let security: SecurityFields
  let log: AccessLog

  /// The client's ID for the request if it is well formed, else one of ours.
  func requestID(_ headers: HTTPFields) -> RequestID {
    headers.firstValue(of: .requestID).flatMap { RequestID($0) } ?? requestIDs.next()
  }

  func clientAddress(_ connection: Connection, _ headers: HTTPFields) -> String {
    proxies.clientAddress(peer: connection.peer, headers: headers)
  }

  /// Adds to an answer what every answer has.
  func complete(_ headers: inout HTTPFields, _ requestID: RequestID) {
    if headers.firstValue(of: .requestID) != requestID.text {
      headers[.requestID] = requestID.text
    }
    security.apply(to: &headers)
  }

  func record(
    _ requestID: RequestID, _ method: HTTPRequest.Method, _ target: RawTarget, _ status: Int,
    began: ContinuousClock.Instant, _ clientAddress: String
  ) {
    log.write(
      AccessRecord(
        listener: name, requestID: requestID, method: method.rawValue, path: shown(target.path),
        status: status, duration: .now - began, clientAddress: clientAddress))
  }

  /// The path without what is known to BigCommerce and us only: a webhook's token.
  private func shown(_ path: Substring) -> Substring {
    let parts = path.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 4, parts[1] == "webhooks" else { return path }
    return "/webhooks/\(parts[2])/…"
  }
}
