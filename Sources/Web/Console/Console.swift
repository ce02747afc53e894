package import Base
import BigCommerce
import Fields
package import Gateway
import HTTPTypes
import Hummingbird
package import Vault

/// Everything below `/console` on the internal listener: pages for operators, rendered here.
package struct Console: Sendable {
  let doors: ConsoleDoors
  let login: ConsoleLogin
  let sessions: ConsoleSessions
  let audit: ConsoleAuditing
  let names: ConsoleNaming
  let api: APIRoutes
  let gateway: any GatewayResponding
  let sections: [ConsoleSection]
  let pages: ConsolePages
  let assets: ConsoleAssets
  let live: LivePages

  /// What the console is made of.
  package struct Parts: Sendable {
    package var keyring: Keyring
    package var api: APIRoutes
    package var gateway: any GatewayResponding
    package var authenticate: Authenticate
    package var callers: ConsoleCallers
    package var audit: ConsoleAuditing
    package var names: ConsoleNaming
    package var proxy: ConsoleProxy?
    package var draining: Draining
    package var clock: WallClock
    package var time: MonotonicClock

    /// `authenticate` says who a service key in a field of a request names, `callers` whose a key's
    /// ID is.
    package init(
      keyring: Keyring, api: APIRoutes, gateway: any GatewayResponding,
      authenticate: @escaping Authenticate,
      callers: @escaping ConsoleCallers, audit: ConsoleAuditing, names: @escaping ConsoleNaming,
      proxy: ConsoleProxy? = nil, draining: Draining,
      clock: WallClock = .system, time: MonotonicClock = .system
    ) {
      self.keyring = keyring
      self.api = api
      self.gateway = gateway
      self.authenticate = authenticate
      self.callers = callers
      self.audit = audit
      self.names = names
      self.proxy = proxy
      self.draining = draining
      self.clock = clock
      self.time = time
    }
  }

  /// Throws when a template is wrong, which a test would have found.
  package init(_ parts: Parts) throws {
    sessions = ConsoleSessions(keyring: parts.keyring, clock: parts.clock, random: .system)
    doors = ConsoleDoors(sessions: sessions, callers: parts.callers, proxy: parts.proxy)
    audit = parts.audit
    names = parts.names
    api = parts.api
    gateway = parts.gateway
    sections = Self.sections()
    assets = ConsoleAssets()
    pages = try ConsolePages(assets: assets)
    live = LivePages(draining: parts.draining, time: parts.time)
    login = ConsoleLogin(
      authenticate: parts.authenticate, sessions: sessions, audit: parts.audit, time: parts.time,
      abilities: sections.map(\.ability))
  }

  /// The parts of the console, in the order of the navigation.
  private static func sections() -> [ConsoleSection] {
    [
      FleetPages.section,
      StoresPages(acts: StoreActs(jobs: BulkJobs()), store: StorePage()).section,
      CallersPages().section,
      EventsPages.section, AuditPages.section, TryPages.section,
    ]
  }

  /// Whether a request is for the console.
  static func holds(_ target: RawTarget) -> Bool {
    target.path == "/console" || target.path.hasPrefix("/console/")
  }

  func respond(to request: WebRequest) async -> Response {
    let path = String(request.target.path)
    if path.hasPrefix(ConsoleAssets.prefix) { return assets.response(to: request) }
    let cookie = ConsoleCookie(isSecure: request.isSecure)
    do throws(Problem) {
      let method = request.method == .head ? .get : request.method
      guard method == .get || method == .post else { throw .methodNotAllowed(["GET", "POST"]) }
      let visitor = try doors.visitor(request.headers, cookie)
      if path == "/console/login" { return try await logIn(request, method, visitor, cookie) }
      guard case .known(let session, let caller) = visitor else {
        return turnAway(request, method, visitor, cookie)
      }
      if method == .get, request.headers[values: .accept] == ["text/event-stream"] {
        return try await stream(request, cookie)
      }
      return await serve(request, method, session, caller, cookie)
    } catch {
      return pages.problem(error, request.requestID, nil)
    }
  }

  // MARK: Nobody

  /// A page leads to the login and from there back; an act must be begun again.
  private func turnAway(
    _ request: WebRequest, _ method: HTTPRequest.Method, _ visitor: ConsoleVisitor,
    _ cookie: ConsoleCookie
  ) -> Response {
    var hadSession = false
    if case .nobody(true) = visitor { hadSession = true }
    guard method == .get else { return pages.problem(.sessionEnded, request.requestID, nil) }
    var query: [(String, String)] = hadSession ? [("ended", "session")] : []
    if let next = ConsoleLink.safe(request.target.text), next != "/console" {
      query.append(("next", next))
    }
    var response = Response.redirect(303, to: ConsoleLink.make("/console/login", query))
    if hadSession { response.headers[.setCookie] = cookie.clearing }
    return response
  }

  private func logIn(
    _ request: WebRequest, _ method: HTTPRequest.Method, _ visitor: ConsoleVisitor,
    _ cookie: ConsoleCookie
  ) async throws(Problem) -> Response {
    if method == .post { return try await login.logIn(request, cookie, pages) }
    let query = try ConsoleForm(encoded: request.target.query ?? "")
    if case .known = visitor {
      return .redirect(303, to: ConsoleLink.safe(query["next"]) ?? "/console")
    }
    return pages.login(
      ConsoleLogin.words(ended: query["ended"]), next: ConsoleLink.safe(query["next"]),
      request.requestID)
  }

  // MARK: Somebody

  private func serve(
    _ request: WebRequest, _ method: HTTPRequest.Method, _ session: ConsoleSession,
    _ caller: ConsoleCaller, _ cookie: ConsoleCookie
  ) async -> Response {
    request.notes.note(
      RequestSubject(app: caller.caller.grant.app, caller: caller.caller.keyID))
    let frame = frame(request, session, caller)
    let outcome: Result<ConsoleAnswer, Problem>
    do throws(Problem) {
      outcome = .success(try await answer(request, method, session, caller.caller, frame, cookie))
    } catch {
      outcome = .failure(error)
    }
    switch outcome {
    case .success(.page(let page)):
      return renewed(pages.response(page, frame), session, nil, request, cookie)
    case .success(.redirect(let path, let notice)):
      return renewed(.redirect(303, to: path), session, notice ?? session.notice, request, cookie)
    case .success(.other(let response)): return response
    case .failure(let problem):
      return renewed(
        pages.problem(problem, request.requestID, frame), session, nil, request, cookie)
    }
  }

  func frame(
    _ request: WebRequest, _ session: ConsoleSession, _ caller: ConsoleCaller
  ) -> ConsoleFrame {
    ConsoleFrame(
      session: session, callerName: caller.name, sections: visible(to: caller.caller),
      path: String(request.target.path), requestID: request.requestID)
  }

  private func visible(to caller: APICaller) -> [ConsoleSection] {
    sections.filter { caller.grant.allows($0.ability) }
  }

  func answer(
    _ request: WebRequest, _ method: HTTPRequest.Method, _ session: ConsoleSession,
    _ caller: APICaller, _ frame: ConsoleFrame, _ cookie: ConsoleCookie
  ) async throws(Problem) -> ConsoleAnswer {
    let segments = frame.path.split(separator: "/", omittingEmptySubsequences: false)
      .dropFirst(2).map(String.init)
    if segments.isEmpty {
      guard let first = frame.sections.first else { throw .nothingToSee }
      return .redirect("/console/\(first.path)", nil)
    }
    if segments == ["logout"] { return try await logOut(request, method, session, cookie) }
    let (route, arguments) = try find(method, segments)
    // The ability comes before everything else: who lacks it learns nothing of what there is.
    guard caller.grant.allows(route.ability) else { throw .abilityMissing(route.ability) }
    let asked = ConsoleRequest(
      caller: caller, session: session, arguments: arguments, path: frame.path,
      query: try ConsoleForm(encoded: request.target.query ?? ""),
      form: method == .post ? try await act(request, session) : ConsoleForm(),
      requestID: request.requestID,
      api: ConsoleAPI(
        routes: api, caller: caller, requestID: request.requestID, notes: request.notes),
      calls: ConsoleCalls(
        gateway: gateway, keyID: caller.keyID, requestID: request.requestID,
        trace: request.notes.trace, loop: request.loop, clientAddress: request.clientAddress),
      now: sessions.clock.now(), audit: audit, names: names)
    let call: @Sendable () async -> Result<ConsoleAnswer, Problem> = {
      do throws(Problem) {
        return .success(try await route.handler(asked))
      } catch {
        return .failure(error)
      }
    }
    // What changes something is finished even when nobody waits for the answer any more.
    return try (method == .get ? await call() : await toTheEnd(call)).get()
  }

  private func find(
    _ method: HTTPRequest.Method, _ segments: [String]
  ) throws(Problem) -> (route: ConsoleRoute, arguments: [String]) {
    let matches = sections.flatMap(\.routes).matches(of: segments)
    if let match = matches.first(where: { $0.route.method == method }) { return match }
    guard matches.isEmpty else {
      throw .methodNotAllowed(Set(matches.map(\.route.method.rawValue)).sorted())
    }
    throw .noPage
  }

  /// The form of an act that one of our pages sent.
  private func act(
    _ request: WebRequest, _ session: ConsoleSession
  ) async throws(Problem) -> ConsoleForm {
    guard ConsoleForgery.isFromOurPage(request.headers, authority: request.authority) else {
      throw ConsoleForgery.refused
    }
    let form = try await request.form()
    guard ConsoleForgery.hasToken(form, of: session) else { throw ConsoleForgery.refused }
    return form
  }

  private func logOut(
    _ request: WebRequest, _ method: HTTPRequest.Method, _ session: ConsoleSession,
    _ cookie: ConsoleCookie
  ) async throws(Problem) -> ConsoleAnswer {
    guard method == .post else { throw .methodNotAllowed(["POST"]) }
    _ = try await act(request, session)
    try await audit.write(
      session.keyID, "console_logout", request.requestID,
      ["client": .string(request.clientAddress)])
    var response = Response.redirect(303, to: "/console/login?ended=logout")
    response.headers[.setCookie] = cookie.clearing
    return .other(response)
  }

  /// The answer, with the cookie if it must change: a new session, a notice told or to be told, or
  /// a last page that is a while ago.
  private func renewed(
    _ response: Response, _ session: ConsoleSession, _ notice: ConsoleNotice?,
    _ request: WebRequest, _ cookie: ConsoleCookie
  ) -> Response {
    // What a page asks for by itself keeps nobody logged in.
    guard !request.headers.contains(.consoleLive) else { return response }
    let now = sessions.clock.now()
    let isOld = now - session.seenAt >= ConsoleSessions.freshFor || session.seenAt >= now
    // One that began with this page, because a proxy named somebody, is in no cookie yet.
    let kept = cookie.value(in: request.headers).flatMap { sessions.open($0) }
    guard isOld || notice != session.notice || kept?.token != session.token else {
      return response
    }
    var response = response
    do throws(VaultError) {
      let sealed = try sessions.seal(session.seen(at: now, telling: notice))
      response.headers[.setCookie] = cookie.setting(sealed)
    } catch {
      return pages.problem(.sealing, request.requestID, nil)
    }
    return response
  }
}

extension HTTPField.Name {
  /// On what the script asks for by itself, to keep figures up to date.
  static let consoleLive = HTTPField.Name.known("Latchkey-Console-Live")
}
