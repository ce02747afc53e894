import Base
import BigCommerce
import HTTPTypes

/// One store: what is known of it, and what can be done to it.
struct StorePage: Sendable {
  private static let template = "stores/{app}/{hash}"

  var routes: [ConsoleRoute] {
    [
      ConsoleRoute(.get, Self.template, ability: .storesRead) { request throws(Problem) in
        try await show(request)
      },
      ConsoleRoute(.post, Self.template + "/{act}", ability: .storesWrite) {
        request throws(Problem) in try await act(request)
      },
    ]
  }

  // MARK: The page

  private func show(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let store = try request.store()
    let document = try await request.api.get(store.resource, store.query)
    // Beside the store itself; what one of them refuses is said in its place.
    async let callers = part { () throws(Problem) in try await usage(store, by: "caller", request) }
    async let families = part { () throws(Problem) in try await usage(store, by: "family", request)
    }
    async let hooks = part { () throws(Problem) in
      try await request.api.get("/v1/webhooks", store.query + [("store", store.hash)])
    }
    async let errors = part { () throws(Problem) in
      try await request.api.get(store.resource + "/errors", store.query)
    }
    async let audit = part { () throws(Problem) in try await self.audit(store, nil, request) }
    async let installs = part { () throws(Problem) in try await tokens(store, request) }
    async let answers = asked(store, request)
    var values = StoreView.values(of: document, store, request)
    values.merge(StoreView.usage(await callers, "caller")) { _, new in new }
    values.merge(StoreView.usage(await families, "family")) { _, new in new }
    values["hookRows"] = StoreView.hooks(try? (await hooks).get())
    let failed = StoreView.errors(try? (await errors).get())
    values["errors"] = failed
    values["hasErrors"] = !failed.isEmpty
    values["acts"] = StoreView.audit(try? (await audit).get())
    values["tokens"] = StoreView.audit(try? (await installs).get())
    values["seesAudit"] = request.may(.operator)
    if let (facts, channels) = await answers {
      values.merge(StoreView.asked(facts, channels)) { _, new in new }
      try await remember(facts, store, request)
    }
    return .page(ConsolePage("store", title: store.hash, values))
  }

  private func part(
    _ read: () async throws(Problem) -> JSONValue
  ) async -> Result<JSONValue, Problem> {
    do throws(Problem) {
      return .success(try await read())
    } catch {
      return .failure(error)
    }
  }

  private func usage(
    _ store: StoreName, by dimension: String, _ request: ConsoleRequest
  ) async throws(Problem) -> JSONValue {
    try await request.api.get(
      "/v1/usage",
      store.query + [
        ("store", store.hash), ("by", dimension), ("step", "total"), ("limit", "100"),
        ("since", (request.now - .seconds(86400)).description),
      ])
  }

  private func audit(
    _ store: StoreName, _ action: String?, _ request: ConsoleRequest
  ) async throws(Problem) -> JSONValue {
    guard request.may(.operator) else { return .null }
    return try await request.api.get(
      "/v1/audit",
      store.query + [("store", store.hash), ("limit", action == nil ? "15" : "20")]
        + (action.map { [("action", $0)] } ?? []))
  }

  /// Installs and imports, the newest first: each made a generation.
  private func tokens(
    _ store: StoreName, _ request: ConsoleRequest
  ) async throws(Problem) -> JSONValue {
    let installs = try await audit(store, "install", request)["data"]?.array ?? []
    let imports = try await audit(store, "import", request)["data"]?.array ?? []
    let all = (installs + imports).sorted {
      ($0["details"]?["generation"]?.integer ?? 0) > ($1["details"]?["generation"]?.integer ?? 0)
    }
    return ["data": .array(all)]
  }

  /// What the store itself says, when somebody wants to know: two calls through the gateway.
  private func asked(
    _ store: StoreName, _ request: ConsoleRequest
  ) async -> (Result<JSONValue, Problem>, Result<JSONValue, Problem>)? {
    guard request.query["ask"] == "store" else { return nil }
    async let facts = part { () throws(Problem) in
      try await request.calls.get("/v2/store", of: store)
    }
    async let channels = part { () throws(Problem) in
      try await request.calls.get("/v3/channels?limit=50", of: store)
    }
    return (await facts, await channels)
  }

  /// Keeps the name and the domain, so that the store is found by them.
  private func remember(
    _ facts: Result<JSONValue, Problem>, _ store: StoreName, _ request: ConsoleRequest
  ) async throws(Problem) {
    guard case .success(let document) = facts, let name = OwnName(document),
      let installation = store.installation
    else { return }
    try await request.names(installation, name)
  }

  // MARK: Acts

  private func act(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let store = try request.store()
    guard let act = StoreAct(rawValue: request.arguments[2]) else { throw .noPage }
    if let question = question(act, store, request) { return question }
    try await request.record("store_\(act.rawValue)", about: store.installation)
    let (word, isGood) = try await act.perform(
      on: store, label: request.form["label"], request.api)
    return .redirect(
      store.path, ConsoleNotice(isGood ? .good : .bad, "\(act.title): \(word)."))
  }

  /// The page that asks before an act is done; `nil` when nothing is left to ask.
  private func question(
    _ act: StoreAct, _ store: StoreName, _ request: ConsoleRequest
  ) -> ConsoleAnswer? {
    let isConfirmed = request.form["confirmed"] == "yes"
    guard act.isFinal || act == .suspend else { return nil }
    guard isConfirmed else { return ask(act, store, typing: nil, wasWrong: false) }
    guard act.isFinal else { return nil }
    // Asked a second time: by the store's hash, which nobody types by accident.
    guard request.form["typed"] == store.hash else {
      return ask(act, store, typing: store.hash, wasWrong: request.form["typed"] != nil)
    }
    return nil
  }

  private func ask(
    _ act: StoreAct, _ store: StoreName, typing typed: String?, wasWrong: Bool
  ) -> ConsoleAnswer {
    let title =
      typed == nil ? "\(act.title) \(store.hash)?" : "\(act.title) \(store.hash) for good?"
    var values: PageValues = [
      "heading": title, "lead": act.consequence, "target": "\(store.path)/\(act.rawValue)",
      "fields": [["fieldName": "confirmed", "fieldValue": "yes"]] as [PageValues],
      "isDangerous": true, "back": store.path,
      "button": act.isFinal && typed == nil ? "Go on" : act.title,
    ]
    values["typed"] = typed
    if wasWrong { values["wrong"] = "That was not the store’s hash. Nothing was changed." }
    return .page(ConsolePage("confirm", title: title, status: wasWrong ? 400 : 200, values))
  }
}

extension ConsoleRequest {
  /// The store that the path names.
  func store() throws(Problem) -> StoreName {
    guard let store = StoreName("\(arguments[0])/\(arguments[1])") else { throw .noPage }
    return store
  }
}
