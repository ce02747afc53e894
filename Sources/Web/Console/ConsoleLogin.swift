import Base
import BigCommerce
import HTTPTypes
import Hummingbird
import Vault

/// Lets people in who have a service key.
struct ConsoleLogin: Sendable {
  let authenticate: Authenticate
  let sessions: ConsoleSessions
  let audit: ConsoleAuditing
  let time: MonotonicClock
  /// A key that has none of them would see an empty console.
  let abilities: [Ability]
  private let gate = LoginGate()

  init(
    authenticate: @escaping Authenticate, sessions: ConsoleSessions, audit: ConsoleAuditing,
    time: MonotonicClock, abilities: [Ability]
  ) {
    self.authenticate = authenticate
    self.sessions = sessions
    self.audit = audit
    self.time = time
    self.abilities = abilities
  }

  /// Checks the key in the form, within the limits.
  ///
  /// - Throws: 403 when another site sent the form, 503 when nobody can be let in now.
  func logIn(
    _ request: WebRequest, _ cookie: ConsoleCookie, _ pages: ConsolePages
  ) async throws(Problem) -> Response {
    guard ConsoleForgery.isFromOurPage(request.headers, authority: request.authority) else {
      throw ConsoleForgery.refused
    }
    let form = try await request.form()
    let next = ConsoleLink.safe(form["next"])
    if let wait = gate.admit(request.clientAddress, now: time.now()) {
      return pages.tooManyLogins(wait: wait, next: next, request.requestID)
    }
    let presented = (form["key"] ?? "").split(whereSeparator: \.isWhitespace).joined()
    var fields = HTTPFields()
    if presented.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
      fields[.authorization] = "Bearer \(presented)"
    }
    switch authenticate(fields) {
    case .failure(let problem) where problem.status == 401:
      try await failed(request, "key_invalid")
      return pages.login(.keyInvalid, next: next, request.requestID, status: 401)
    case .failure(let problem):
      gate.succeeded(request.clientAddress, now: time.now())
      throw problem
    case .success(let caller):
      guard abilities.contains(where: { caller.grant.allows($0) }) else {
        try await failed(request, "grant_missing", key: caller.keyID)
        return pages.login(.keyOpensNothing, next: next, request.requestID, status: 403)
      }
      return try await letIn(caller, request, next, cookie)
    }
  }

  private func letIn(
    _ caller: APICaller, _ request: WebRequest, _ next: String?, _ cookie: ConsoleCookie
  ) async throws(Problem) -> Response {
    try await audit.write(
      caller.keyID, "console_login", request.requestID,
      ["client": .string(request.clientAddress)])
    gate.succeeded(request.clientAddress, now: time.now())
    var response = Response.redirect(303, to: next ?? "/console")
    do throws(VaultError) {
      response.headers[.setCookie] = cookie.setting(
        try sessions.seal(sessions.begin(keyID: caller.keyID, user: nil)))
    } catch {
      throw .sealing
    }
    return response
  }

  /// At most so many lines as logins may fail.
  private func failed(
    _ request: WebRequest, _ reason: String, key: String? = nil
  ) async throws(Problem) {
    var details: [JSONValue.Member] = [
      .init("client", .string(request.clientAddress)), .init("reason", .string(reason)),
    ]
    if let key { details.append(.init("key", .string(key))) }
    try await audit.write("latchkey", "console_login_failed", request.requestID, .object(details))
  }
}

extension ConsoleLogin {
  /// What the login page says above its form.
  struct Words: Sendable {
    let text: String
    let isProblem: Bool

    static let keyInvalid = Words(
      text: "This key is not valid. It is mistyped, unknown, expired or revoked.", isProblem: true)
    static let keyOpensNothing = Words(
      text: "This key is valid, but opens no page of the console. Use a key with more abilities.",
      isProblem: true)
  }

  /// What the login page says after a session ended in that way.
  static func words(ended: String?) -> Words? {
    switch ended {
    case "logout": Words(text: "You are logged out.", isProblem: false)
    case "session": Words(text: "Your session has ended. Log in again to go on.", isProblem: false)
    default: nil
    }
  }
}
