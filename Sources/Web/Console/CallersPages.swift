import Base
import BigCommerce
import HTTPTypes

/// Callers: service keys are listed, made, rotated and revoked.
struct CallersPages: Sendable {
  private static let path = "/console/callers"

  var section: ConsoleSection {
    ConsoleSection(
      title: "Callers", path: "callers", ability: .keys,
      routes: [
        ConsoleRoute(.get, "callers", ability: .keys) { request throws(Problem) in
          try await list(request)
        },
        // The underscore keeps it apart from keys' IDs.
        ConsoleRoute(.get, "callers/_new", ability: .keys) { request throws(Problem) in
          .page(form(request, ConsoleForm([("app", "default"), ("ability", "proxy")]), nil))
        },
        ConsoleRoute(.post, "callers/_new", ability: .keys) { request throws(Problem) in
          try await create(request)
        },
        ConsoleRoute(.get, "callers/{id}", ability: .keys) { request throws(Problem) in
          try await show(request)
        },
        ConsoleRoute(.post, "callers/{id}/rotate", ability: .keys) { request throws(Problem) in
          try await rotate(request)
        },
        ConsoleRoute(.post, "callers/{id}/revoke", ability: .keys) { request throws(Problem) in
          try await revoke(request)
        },
      ])
  }

  // MARK: Pages

  private func list(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let page = try await request.api.get(
      "/v1/keys", [("limit", "100")] + request.query.only(["after"]))
    let keys = page["data"]?.array ?? []
    var values: PageValues = [
      "keys": keys.map { CallerView.row($0, request.now) },
      "count": ConsoleWords.count(keys.count, "key"),
    ]
    if request.query["after"] != nil { values["firstPage"] = Self.path }
    if let next = page["next"]?.string {
      values["nextPage"] = ConsoleLink.make(Self.path, [("after", next)])
    }
    return .page(ConsolePage("callers", title: "Callers", values))
  }

  private func show(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let key = try await key(request.arguments[0], request)
    var values = CallerView.row(key, request.now)
    values["facts"] = CallerView.facts(key)
    values["limits"] = CallerView.limits(key)
    values["isOwn"] = key["id"]?.string == request.caller.keyID
    return .page(ConsolePage("caller", title: key["name"]?.string ?? "Caller", values))
  }

  /// A key that the API would list for this caller.
  private func key(_ id: String, _ request: ConsoleRequest) async throws(Problem) -> JSONValue {
    var after: String?
    repeat {
      let page = try await request.api.get(
        "/v1/keys", [("limit", "1000")] + (after.map { [("after", $0)] } ?? []))
      if let key = page["data"]?.array?.first(where: { $0["id"]?.string == id }) { return key }
      after = page["next"]?.string
    } while after != nil
    throw .unknown("key")
  }

  private func form(
    _ request: ConsoleRequest, _ given: ConsoleForm, _ problem: Problem?
  ) -> ConsolePage {
    let chosen = Set(given.all("ability"))
    var values: PageValues = [
      "abilities": Ability.allCases.map { ability -> PageValues in
        [
          "ability": ability.rawValue, "isChosen": chosen.contains(ability.rawValue),
          "meaning": CallerView.meaning(of: ability),
        ]
      }
    ]
    for name in ["name", "app", "stores", "scopes", "methods", "paths", "rate", "days"] {
      values["f_" + name] = given[name]
    }
    if let problem { values["formProblem"] = problem.detail }
    return ConsolePage("caller-new", title: "New key", status: problem?.status ?? 200, values)
  }

  // MARK: Acts

  private func create(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    try await request.record("key_create")
    let made: JSONValue?
    do throws(Problem) {
      made = try await request.api.call(
        .post, "/v1/keys", body: try Self.order(request.form).encoded())
    } catch {
      guard error.status < 500 else { throw error }
      return .page(form(request, request.form, error))
    }
    return secret(made, "The key “\(request.form["name"] ?? "")” is made")
  }

  private func rotate(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let id = request.arguments[0]
    let hours = Int64(request.form["hours"] ?? "0") ?? -1
    guard (0...720).contains(hours) else {
      throw .badRequest("The overlap is 0 to 720 hours.")
    }
    try await request.record("key_rotate", [.init("key_id", .string(id))])
    let body: JSONValue = ["overlap": .integer(hours * 3600)]
    let made = try await request.api.call(
      .post, "/v1/keys/\(id)/rotate", body: body.encoded())
    return secret(made, "The key \(id) has a successor")
  }

  /// The only page that shows a key's text, once; it goes into no cookie and no address.
  private func secret(_ made: JSONValue?, _ title: String) -> ConsoleAnswer {
    .page(
      ConsolePage(
        "caller-secret", title: title,
        [
          "heading": title, "secret": made?["key"]?.string ?? "",
          "madeID": made?["id"]?.string ?? "",
        ]))
  }

  private func revoke(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let key = try await key(request.arguments[0], request)
    let id = key["id"]?.string ?? ""
    let name = key["name"]?.string ?? id
    guard request.form["confirmed"] == "yes" else {
      let isOwn = id == request.caller.keyID
      return .page(
        ConsolePage(
          "confirm", title: "Revoke \(name)?",
          [
            "heading": "Revoke “\(name)”?",
            "lead":
              "Calls with the key \(id) are refused on every replica within two seconds. This cannot be undone."
              + (isOwn ? " It is the key of your own session, which ends with it." : ""),
            "target": "\(Self.path)/\(id)/revoke", "isDangerous": true, "button": "Revoke",
            "fields": [["fieldName": "confirmed", "fieldValue": "yes"]] as [PageValues],
            "back": "\(Self.path)/\(id)",
          ]))
    }
    try await request.record("key_revoke", [.init("key_id", .string(id))])
    try await request.api.call(.delete, "/v1/keys/\(id)")
    return .redirect(Self.path, ConsoleNotice(.good, "Revoke: \(name) is revoked."))
  }

  /// The API's order of a key, from the fields of the form.
  private static func order(_ form: ConsoleForm) throws(Problem) -> JSONValue {
    func list(_ name: String) -> [String] {
      (form[name] ?? "").split { $0.isWhitespace || $0 == "," }.map(String.init)
    }
    func names(_ values: [String]) -> JSONValue { .array(values.map { .string($0) }) }
    var members: [JSONValue.Member] = [
      .init("name", .string(form["name"] ?? "")), .init("stores", names(list("stores"))),
      .init("scopes", names(list("scopes"))), .init("abilities", names(form.all("ability"))),
    ]
    if let app = form["app"] { members.append(.init("app", .string(app))) }
    for name in ["methods", "paths"] where !list(name).isEmpty {
      members.append(.init(name, names(list(name))))
    }
    if let rate = form["rate"] { members.append(.init("rate", .number(try number(rate, "rate")))) }
    if let days = form["days"], let count = Int64(try number(days, "days")) {
      members.append(.init("expires_in", .integer(count * 86400)))
    }
    return .object(members)
  }

  private static func number(_ text: String, _ name: String) throws(Problem) -> String {
    guard let number = Int64(text), (1...36500).contains(number) else {
      throw .badRequest("The field \(name) is a whole number from 1 to 36500.")
    }
    return String(number)
  }
}
