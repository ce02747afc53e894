import Base
import Fields
import Gateway
import HTTPTypes

/// What happens to every request of a listener, whatever its way: an ID, the common fields, a line
/// in the log.
final class RequestFrame: Sendable {
  /// The listener's name.
  let name: String
  let usesTLS: Bool
  let proxies: TrustedProxies
  let requestIDs: RequestIDSource
  let traces: TraceSource
  let security: SecurityFields
  let log: AccessLog

  init(
    name: String, usesTLS: Bool, proxies: TrustedProxies, requestIDs: RequestIDSource,
    traces: TraceSource, security: SecurityFields, log: AccessLog
  ) {
    self.name = name
    self.usesTLS = usesTLS
    self.proxies = proxies
    self.requestIDs = requestIDs
    self.traces = traces
    self.security = security
    self.log = log
  }

  /// The client's ID for the request if it is well formed, else one of ours.
  func requestID(_ given: String?) -> RequestID {
    given.flatMap { RequestID($0) } ?? requestIDs.next()
  }

  /// The client's trace if it names a valid one, and only one, else a new one.
  func trace(_ given: String?) -> TraceContext {
    traces.context(continuing: given)
  }

  func clientAddress(
    _ connection: Connection, forwardedFor: @autoclosure () -> [String]
  ) -> String {
    proxies.clientAddress(peer: connection.peer, forwardedFor: forwardedFor())
  }

  func isSecure(_ connection: Connection, forwardedProto: @autoclosure () -> [String]) -> Bool {
    usesTLS || proxies.saysTLS(peer: connection.peer, forwardedProto: forwardedProto())
  }

  /// Adds to an answer what every answer has.
  func complete(_ headers: inout HTTPFields, _ requestID: RequestID) {
    if headers.firstValue(of: .requestID) != requestID.text {
      headers[.requestID] = requestID.text
    }
    security.apply(to: &headers)
  }

  /// Makes an answer say which request it is for.
  func identify(_ fields: inout FieldSection, _ requestID: RequestID) {
    if !fields.first(.requestID, is: requestID.text) { fields[.requestID] = requestID.text }
  }

  func record(
    _ requestID: RequestID, _ trace: TraceContext, _ subject: RequestSubject,
    _ method: HTTPRequest.Method, _ target: RawTarget, _ status: Int,
    began: ContinuousClock.Instant, _ clientAddress: String
  ) {
    guard !log.isOff else { return }
    log.write(
      AccessRecord(
        listener: name, requestID: requestID, traceID: trace.traceID, subject: subject,
        method: method.rawValue, path: shown(target.path),
        status: status, duration: .now - began, clientAddress: clientAddress))
  }

  /// The path without what is known to BigCommerce and us only: a webhook's token.
  private func shown(_ path: Substring) -> Substring {
    guard path.utf8.starts(with: "/webhooks/".utf8) else { return path }
    let parts = path.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 4 else { return path }
    return "/webhooks/\(parts[2])/…"
  }
}
