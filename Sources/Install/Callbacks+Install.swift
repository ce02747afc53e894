import Base
import BigCommerce
import Logging
import Postgres
import Spooling
import Storage
import Vault

/// The auth callback: a code becomes a token, once and durably.
extension Callbacks {
  package func install(_ request: CallbackRequest) async -> CallbackAnswer {
    guard let app = settings.apps[request.app], app.installPaths.contains(request.path) else {
      return .page(MerchantPage(status: 404, kind: .failed(.malformedLink)))
    }
    let query: CallbackQuery.Install
    do throws(CallbackQueryError) {
      query = try CallbackQuery.install(request.query)
    } catch {
      logger(request).notice("install callback malformed", metadata: ["cause": "\(error)"])
      return .page(MerchantPage(status: 400, kind: .failed(.malformedLink)))
    }
    let installation = InstallationID(app: app.name, store: query.store)
    let digest = KeyDigest(of: Array(query.code.expose().utf8)).bytes
    let (outcome, isFirst) = await flights.outcome(
      of: InstallFlights.Key(installation: installation, codeSHA256: digest)
    ) {
      await Install(
        callbacks: self, app: app, query: query, installation: installation, codeSHA256: digest,
        request: request
      ).run()
    }
    FailPoint.reach("install.before_answer")
    return answer(outcome, isFirst: isFirst, app, query)
  }

  private func answer(
    _ outcome: InstallOutcome, isFirst: Bool, _ app: CallbackApp, _ query: CallbackQuery.Install
  ) -> CallbackAnswer {
    if query.isExternal {
      let links = PlatformLinks(login: settings.loginOrigin, clientID: app.clientID)
      if case .failed = outcome { return .redirect(status: 302, location: links.failed) }
      return .redirect(status: 302, location: links.succeeded)
    }
    switch outcome {
    case .connected(let scopes, let ticket):
      if isFirst, let ticket, let appURL = settings.appURL { return redirect(to: appURL, ticket) }
      let missing = scopes.missing(of: app.requiredScopes).names
      return .page(
        MerchantPage(status: 200, kind: .connected(missingScopes: missing), store: query.store))
    case .connectedBefore:
      return .page(MerchantPage(status: 200, kind: .alreadyConnected, store: query.store))
    case .failed(let failure, let status):
      return .page(MerchantPage(status: status, kind: .failed(failure)))
    }
  }
}

/// One install, from the code to the row.
private struct Install: Sendable {
  let callbacks: Callbacks
  let app: CallbackApp
  let query: CallbackQuery.Install
  let installation: InstallationID
  let codeSHA256: [UInt8]
  let request: CallbackRequest

  private var timings: CallbackTimings { callbacks.timings }
  private var logger: Logger { callbacks.logger(request, installation.store) }

  func run() async -> InstallOutcome {
    let clock = ContinuousClock()
    let end = clock.now + timings.begin
    guard await callbacks.gate.acquire(within: timings.begin / 2) else {
      logger.warning("install refused: too many exchanges in flight")
      return .failed(.tooManyAttempts, status: 503)
    }
    let start = await begin(within: end - clock.now)
    guard case .success(.begun(let attempt, _)) = start else {
      callbacks.gate.release()
      return await refusal(start)
    }
    FailPoint.reach("install.after_attempt")
    let outcome = await exchange(attempt)
    callbacks.gate.release()
    return outcome
  }

  /// Records the attempt; the code must not leave before that is certain.
  private func begin(within limit: Duration) async -> Result<AttemptStart, PostgresError> {
    FailPoint.reach("install.before_attempt")
    // A request before this one may have recorded the attempt without knowing, and then did not use
    // the code.
    let claim = callbacks.claims.take(codeSHA256) ?? Hex.encode(callbacks.random.bytes(16))
    let start = await Deadline.settle(within: limit, each: limit) { () throws(PostgresError) in
      try await callbacks.attempts.begin(
        installation, codeSHA256: codeSHA256, claim: claim, requestID: request.requestID)
    }
    if case .failure = start { callbacks.claims.leave(claim, for: codeSHA256) }
    return start
  }

  /// What is told when this request may not exchange the code.
  private func refusal(_ start: Result<AttemptStart, PostgresError>) async -> InstallOutcome {
    switch start {
    case .failure(let error):
      logger.error("install not begun", metadata: ["cause": "\(error)"])
      return error.isPassing ? .databaseAway : .fault
    case .success(.tooMany):
      logger.warning("install refused: too many attempts of this store")
      return .failed(.tooManyAttempts, status: 429)
    case .success(.foreign):
      logger.warning("install refused: the code belongs to another store")
      return .malformed
    case .success(.repeated(let attempt)): return await wait(for: attempt)
    case .success(.begun): return .running
    }
  }

  /// Waits for the request, here or on another replica, that exchanges the same code.
  private func wait(for first: InstallAttempt) async -> InstallOutcome {
    let clock = ContinuousClock()
    let end = clock.now + timings.running
    var attempt = first
    while true {
      if let outcome = InstallOutcome(attempt, samePage: timings.samePage) { return outcome }
      if attempt.age > timings.overdue {
        await lose(attempt.id, because: "overdue")
        return .lost
      }
      guard clock.now < end else { return .running }
      try? await Task.sleep(for: timings.poll)
      let id = attempt.id
      let found = await Deadline.settle(
        within: timings.transaction, each: timings.transaction
      ) { () throws(PostgresError) in try await callbacks.attempts.find(id) }
      switch found {
      case .success(let now?): attempt = now
      case .success(nil): return .notConnected
      case .failure: return .databaseAway
      }
    }
  }

  private func exchange(_ attempt: AttemptID) async -> InstallOutcome {
    let message = TokenExchange(
      clientID: app.clientID, clientSecret: app.clientSecrets.first ?? Secret(""), query: query,
      redirectURI: callbacks.settings.appOrigin + request.path)
    let clock = ContinuousClock()
    let end = clock.now + timings.exchanges
    var refusal = TokenAnswerError.formatNotUnderstood
    for encoding in [TokenExchange.Encoding.json, .form] {
      let limit = min(timings.exchange, end - clock.now)
      switch await callbacks.login.send(
        message, encoding, in: request.notes.trace, within: limit)
      {
      case .notSent:
        logger.error("login host not reached")
        // Of the second encoding the code has been seen already.
        await fail(
          attempt, encoding == .json ? InstallAttempts.notSent : FailureWord.loginAway)
        return .loginAway
      case .unknown(let cause):
        await lose(attempt, because: cause)
        return .lost
      case .answered(let status, let headers, let body):
        FailPoint.reach("install.after_exchange")
        let received = clock.now
        do throws(TokenAnswerError) {
          let answer = try TokenAnswer.read(
            status: status, headers: headers, body: body.expose(), expected: installation.store)
          FailPoint.reach("install.after_verify")
          return await store(answer, attempt, received: received)
        } catch {
          refusal = error
          logger.error(
            "token request refused",
            metadata: [
              "reason": "\(error.reason)", "status": "\(status)", "encoding": "\(encoding)",
            ])
        }
      }
      guard refusal == .formatNotUnderstood else { break }
    }
    await fail(attempt, FailureWord.of(refusal))
    return InstallOutcome(refusal)
  }

  /// Keeps the token: on disk at once, then in the database; from then on nothing can lose it.
  private func store(
    _ answer: TokenAnswer, _ attempt: AttemptID, received: ContinuousClock.Instant
  ) async -> InstallOutcome {
    let write = InstallWrite(
      installation: installation, token: answer.accessToken, scopes: answer.scopes,
      authorizedAt: answer.authorizedAt ?? callbacks.clock.now(),
      installer: answer.user.map { StoreUser(id: $0.id, email: $0.email) },
      owner: answer.owner.map { StoreUser(id: $0.id, email: $0.email) },
      accountUUID: answer.accountUUID ?? query.accountUUID, act: .bigCommerce(request.requestID))
    let entry = await keep(.install(write, attempt))
    // The time in which a crash would have lost the token.
    let exposed = ContinuousClock.now - received
    logger.info("token received", metadata: ["exposed_us": "\(exposed.inMicroseconds)"])
    FailPoint.reach("install.after_spool")
    let ticket = callbacks.settings.appURL.map { _ in Ticket.generate(random: callbacks.random) }
    let newTicket = ticket.map {
      NewTicket(sha256: $0.digest.bytes, userID: answer.user?.id, channelID: nil, deepLink: nil)
    }
    let limit = entry == nil ? timings.storeUnspooled : timings.storeSpooled
    let result = await Deadline.settle(
      within: limit, each: timings.transaction
    ) { () throws(PostgresError) in
      try await callbacks.writes.install(write, attempt: attempt, ticket: newTicket)
    }
    FailPoint.reach("install.after_commit")
    return await outcome(of: result, entry, answer.scopes, ticket, attempt)
  }

  private func keep(_ record: SpoolRecord) async -> InstallSpool.Entry? {
    do throws(SpoolError) {
      return try await callbacks.spool?.append(record, held: true)
    } catch {
      // The token is still in memory, and the database probably there.
      logger.error("install not spooled", metadata: ["cause": "\(error)"])
      return nil
    }
  }

  private func outcome(
    of result: Result<InstallResult, PostgresError>, _ entry: InstallSpool.Entry?, _ scopes: Scopes,
    _ ticket: Ticket?, _ attempt: AttemptID
  ) async -> InstallOutcome {
    switch result {
    case .success(.notSealed(let error)):
      logger.critical("token not sealed", metadata: ["cause": "\(error.reason)"])
      if let entry { callbacks.spool?.release(entry) }
      return .fault
    case .success(let stored):
      if let entry { await callbacks.spool?.remove(entry) }
      FailPoint.reach("install.after_unspool")
      return outcome(of: stored, scopes, ticket)
    case .failure(let error):
      logger.error(
        "install not stored yet",
        metadata: ["cause": "\(error)", "spooled": "\(entry != nil)"])
      guard let entry else {
        await lose(attempt, because: "not_stored")
        return .lost
      }
      callbacks.spool?.release(entry)
      // Without the database no ticket can be made; the page needs none.
      return error.isPassing ? .connected(scopes: scopes, ticket: nil) : .fault
    }
  }

  private func outcome(
    of stored: InstallResult, _ scopes: Scopes, _ ticket: Ticket?
  ) -> InstallOutcome {
    switch stored {
    case .stored(let generation), .repeated(let generation):
      logger.info("installed", metadata: ["generation": "\(generation)"])
      return .connected(scopes: scopes, ticket: ticket)
    case .superseded(.installedSince): return .connectedBefore
    case .superseded(.uninstalledSince), .unknownAttempt, .notSealed: return .notConnected
    }
  }

  private func fail(_ attempt: AttemptID, _ word: String) async {
    let result = await Deadline.settle(
      within: timings.transaction, each: timings.transaction
    ) { () throws(PostgresError) in try await callbacks.attempts.fail(attempt, because: word) }
    if case .failure(let error) = result {
      // It stays `exchanging` and will be called lost, which is the cautious mistake.
      logger.error("failed install not recorded", metadata: ["cause": "\(error)"])
    }
  }

  private func lose(_ attempt: AttemptID, because cause: String) async {
    logger.critical("install lost", metadata: ["cause": "\(cause)"])
    let result = await Deadline.settle(
      within: timings.transaction, each: timings.transaction
    ) { () throws(PostgresError) in try await callbacks.attempts.lose(attempt) }
    if case .failure(let error) = result {
      logger.error("lost install not recorded yet", metadata: ["cause": "\(error)"])
    }
  }
}
