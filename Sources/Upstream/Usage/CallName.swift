package import Base
package import HTTPTypes
package import Storage

/// What a call is called where failed ones are listed.
package struct CallName: Sendable {
  fileprivate let requestID: RequestID
  fileprivate let method: HTTPRequest.Method
  /// As it arrived.
  private let target: String

  package init(requestID: RequestID, method: HTTPRequest.Method, target: String) {
    self.requestID = requestID
    self.method = method
    self.target = target
  }

  /// The path below the store without its query, cut to what is noted.
  fileprivate var path: String {
    let path = target.prefix { $0 != "?" }
    // /stores/{hash}
    let parts = path.split(separator: "/", maxSplits: 2)
    let below = "/" + (parts.count == 3 ? parts[2] : path.dropFirst())
    return String(decoding: below.utf8.prefix(FailedCall.longestPath), as: UTF8.self)
  }
}

extension FailedCall {
  /// A call that BigCommerce answered with an error, the time after it came.
  package init(
    _ name: CallName, of key: KeyEntry, to installation: InstallationID, at moment: Timestamp,
    answered status: Int, after time: Duration
  ) {
    self.init(
      name, key, installation, moment, status: status, code: nil, outcome: .answered, after: time)
  }

  /// A call that the gateway refused or ended, the time after it came.
  package init(
    _ name: CallName, of key: KeyEntry, to installation: InstallationID, at moment: Timestamp,
    _ problem: Problem, after time: Duration
  ) {
    let told = problem.fields.first { $0.name == "outcome" }?.value.string
    self.init(
      name, key, installation, moment, status: problem.status, code: problem.code,
      outcome: told == Outcome.unknown.rawValue ? .unknown : .notSent, after: time)
  }

  private init(
    _ name: CallName, _ key: KeyEntry, _ installation: InstallationID, _ moment: Timestamp,
    status: Int, code: String?, outcome: Outcome, after time: Duration
  ) {
    self.init(
      installation: installation, at: moment, requestID: name.requestID.text, key: key.id,
      method: name.method.rawValue, path: name.path, status: status, code: code, outcome: outcome,
      duration: time)
  }
}
