package import Base
package import BigCommerce
import HTTPTypes
package import Storage

/// Whose key a session is: what it may do now, and its name.
package struct ConsoleCaller: Sendable {
  package let caller: APICaller
  package let name: String

  package init(caller: APICaller, name: String) {
    self.caller = caller
    self.name = name
  }
}

/// The caller of a key's ID, as of this moment; 401 when the key is not good any more, 503 when
/// this replica cannot know.
package typealias ConsoleCallers = @Sendable (_ keyID: String) -> Result<ConsoleCaller, Problem>

/// Keeps what a store called itself, so that it is found by it; throws 503 when it could not.
package typealias ConsoleNaming = @Sendable (InstallationID, OwnName) async throws(Problem) -> Void

/// Writes lines of the console into the audit trail.
package struct ConsoleAuditing: Sendable {
  /// Takes the act, the action's word, the installation that it is about, and details.
  package typealias Writer =
    @Sendable (Act, String, InstallationID?, JSONValue) async throws(Problem) -> Void

  private let writer: Writer

  package init(_ writer: @escaping Writer) {
    self.writer = writer
  }

  /// - Throws: 503 when the line could not be written.
  func write(
    _ actor: String, _ action: String, _ requestID: RequestID,
    about installation: InstallationID? = nil, _ details: JSONValue
  ) async throws(Problem) {
    try await writer(Act(actor: actor, requestID: requestID), action, installation, details)
  }
}

/// Who stands before the console.
enum ConsoleVisitor: Sendable {
  /// Nobody is logged in; `hadSession`: a cookie came that is not good any more.
  case nobody(hadSession: Bool)
  case known(ConsoleSession, ConsoleCaller)
}

/// Finds out who stands before the console.
struct ConsoleDoors: Sendable {
  let sessions: ConsoleSessions
  let callers: ConsoleCallers
  let proxy: ConsoleProxy?

  /// - Throws: 503 when this replica cannot know, 403 when the proxy's key is not good any more.
  func visitor(_ headers: HTTPFields, _ cookie: ConsoleCookie) throws(Problem) -> ConsoleVisitor {
    let value = cookie.value(in: headers)
    let session = value.flatMap { sessions.open($0) }
    if let proxy, let user = proxy.user(headers) {
      return try proxied(user, proxy, session)
    }
    // What began behind the proxy goes on behind the proxy only.
    guard let session, session.user == nil else { return .nobody(hadSession: value != nil) }
    switch callers(session.keyID) {
    case .success(let caller): return .known(session, caller)
    case .failure(let problem):
      if problem.status == 401 { return .nobody(hadSession: true) }
      throw problem
    }
  }

  private func proxied(
    _ user: String, _ proxy: ConsoleProxy, _ session: ConsoleSession?
  ) throws(Problem) -> ConsoleVisitor {
    switch callers(proxy.keyID) {
    case .failure(let problem):
      guard problem.status == 401 else { throw problem }
      throw Problem(
        status: 403, code: "proxy_key_invalid", title: "The proxy has no valid key",
        detail:
          "LATCHKEY_CONSOLE_PROXY_KEY names a service key that is unknown, expired or revoked.")
    case .success(let caller):
      if let session, session.keyID == proxy.keyID, session.user == user {
        return .known(session, caller)
      }
      return .known(sessions.begin(keyID: proxy.keyID, user: user), caller)
    }
  }
}
