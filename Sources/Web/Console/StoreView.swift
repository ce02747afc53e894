import Base
import BigCommerce

/// What the API tells of a store, as its page shows it.
enum StoreView {
  /// How many failed calls the page shows.
  private static let shownErrors = 50

  /// The store itself: facts, scopes, users, quota, and which acts make sense.
  static func values(
    of document: JSONValue, _ store: StoreName, _ request: ConsoleRequest
  ) -> PageValues {
    let state = document["state"]?.string ?? ""
    var values: PageValues = [
      "hash": store.hash, "storeApp": store.app, "path": store.path,
      "state": ConsoleWords.state(state), "health": ConsoleWords.health(document),
      "labels": ConsoleWords.texts(document["labels"]), "facts": facts(document),
      "scopes": scopes(document), "users": users(document),
      "hooks": ConsoleWords.hooks(document["hooks"]), "mayAct": request.may(.storesWrite),
      "isInstalled": state != "uninstalled", "isSuspended": state == "suspended",
      "mayAsk": request.may(.proxy) && state == "active",
      "hasUsers": !(document["users"]?.array ?? []).isEmpty,
    ]
    values["ownName"] = document["name"]?.string
    values["ownDomain"] = document["domain"]?.string
    if let failure = document["hooks"]?["failure"]?.string { values["hookFailure"] = failure }
    let missing = ConsoleWords.texts(document["missing_scopes"])
    if !missing.isEmpty { values["drift"] = ConsoleWords.count(missing.count, "required scope") }
    if let quota = quota(document["quota"]) { values["quota"] = quota }
    return values
  }

  private static func facts(_ document: JSONValue) -> [PageValues] {
    let moments: [(String, String)] = [
      ("Installed", "installed_at"), ("Token stored", "token_stored_at"),
      ("Token last accepted", "token_verified_at"), ("State since", "state_changed_at"),
      ("Suspended", "suspended_at"), ("Uninstalled", "uninstalled_at"),
      ("Health since", "health_since_at"), ("Health looked at", "health_checked_at"),
      ("Last call (this replica)", "last_call_at"),
    ]
    var facts: [PageValues] = [
      ["factName": "Token generation", "fact": document["generation"]?.text ?? ""],
      ["factName": "Came by", "fact": document["source"]?.string ?? ""],
    ]
    if let owner = document["owner_id"]?.integer {
      facts.append(["factName": "Owner (user ID)", "fact": String(owner)])
    }
    for (name, field) in moments {
      guard let moment = ConsoleWords.moment(document[field]) else { continue }
      facts.append(["factName": name, "moment": moment])
    }
    if let status = document["last_status"]?.integer {
      facts.append(["factName": "Last status (this replica)", "fact": String(status)])
    }
    return facts
  }

  /// Every scope that is granted or required, missing ones first.
  private static func scopes(_ document: JSONValue) -> [PageValues] {
    let granted = Set(ConsoleWords.texts(document["scopes"]))
    let required = Set(ConsoleWords.texts(document["required_scopes"]))
    let missing = Set(ConsoleWords.texts(document["missing_scopes"]))
    let names = granted.union(required).sorted {
      (missing.contains($0) ? 0 : 1, $0) < (missing.contains($1) ? 0 : 1, $1)
    }
    return names.map { name in
      var row: PageValues = [
        "scope": name, "isGranted": granted.contains(name), "isRequired": required.contains(name),
        "isMissing": missing.contains(name),
        // A scope that changes also reads.
        "isImplied": !granted.contains(name) && !missing.contains(name),
      ]
      row["purpose"] = ScopeWords.purpose(of: name)
      return row
    }
  }

  private static func users(_ document: JSONValue) -> [PageValues] {
    (document["users"]?.array ?? []).map { user in
      var row: PageValues = [
        "userID": user["id"]?.text ?? "", "isOwner": user["is_owner"]?.bool ?? false,
      ]
      row["email"] = user["email"]?.string
      row["seen"] = ConsoleWords.moment(user["last_seen_at"])
      row["removed"] = ConsoleWords.moment(user["removed_at"])
      return row
    }
  }

  private static func quota(_ quota: JSONValue?) -> PageValues? {
    guard let quota, quota.members != nil else { return nil }
    var values: PageValues = [
      "inFlight": quota["in_flight"]?.text ?? "0",
      "places": quota["concurrency_limit"]?.text ?? "0",
      "waiting": String(
        (quota["waiting_interactive"]?.integer ?? 0) + (quota["waiting_bulk"]?.integer ?? 0)),
      "breaker": quota["breaker"]?.string ?? "", "failures": quota["recent_failures"]?.text ?? "0",
    ]
    if let left = quota["remaining"]?.integer, let limit = quota["limit"]?.integer, limit > 0 {
      values["gauge"] =
        [
          "left": Int(left), "most": Int(limit), "low": Int(limit / 5), "middle": Int(limit / 2),
        ] as PageValues
    }
    if let stopped = ConsoleWords.moment(quota["stopped_until_at"]) { values["stopped"] = stopped }
    return values
  }

  // MARK: Parts of their own

  /// Rows of calls, under names of the dimension.
  static func usage(
    _ found: Result<JSONValue, Problem>, _ dimension: String
  ) -> PageValues {
    switch found {
    case .failure(let problem): return [dimension + "Problem": problem.detail]
    case .success(let page):
      let rows = (page["data"]?.array ?? []).sorted {
        ($0["calls"]?.integer ?? 0) > ($1["calls"]?.integer ?? 0)
      }
      guard !rows.isEmpty else { return [:] }
      return [dimension + "Rows": ["list": rows.map { call($0, dimension) }] as PageValues]
    }
  }

  private static func call(_ row: JSONValue, _ dimension: String) -> PageValues {
    func count(_ field: String) -> String { ConsoleWords.count(row[field]?.integer ?? 0) }
    let name =
      dimension == "caller"
      ? row["caller_name"]?.string ?? row["caller"]?.string : row[dimension]?.string
    let bad = ["rejected", "throttled", "failed", "refused", "abandoned"]
      .reduce(Int64(0)) { $0 + (row[$1]?.integer ?? 0) }
    var values: PageValues = [
      "callName": name ?? "others", "calls": count("calls"), "bad": ConsoleWords.count(bad),
      "hasBad": bad > 0, "throttled": count("throttled"),
      "badWords":
        "\(count("rejected")) rejected, \(count("throttled")) throttled, \(count("failed")) failed",
    ]
    if case .number(let text)? = row["latency"]?["p95"], let seconds = Double(text) {
      values["p95"] = "\(Int((seconds * 1000).rounded())) ms"
    }
    return values
  }

  static func hooks(_ page: JSONValue?) -> [PageValues] {
    (page?["data"]?.array?.first?["hooks"]?.array ?? []).map { hook in
      [
        "hookScope": hook["scope"]?.string ?? "", "hookID": hook["id"]?.text ?? "",
        "isActive": hook["is_active"]?.bool ?? hook["active"]?.bool ?? false,
      ]
    }
  }

  /// Calls that failed, the newest first.
  static func errors(_ page: JSONValue?) -> [PageValues] {
    (page?["data"]?.array ?? []).prefix(shownErrors).map { call in
      var row: PageValues = [
        "status": call["status"]?.text ?? "", "method": call["method"]?.string ?? "",
        "callPath": call["path"]?.string ?? "",
        "caller": call["caller_name"]?.string ?? call["caller"]?.string ?? "",
        "took": "\(ConsoleWords.count(call["duration_ms"]?.integer ?? 0))\u{202F}ms",
        "failedRequest": call["request_id"]?.string ?? "",
        "isUnclear": call["outcome"]?.string == "unknown",
        "tone": (call["status"]?.integer ?? 0) >= 500 || call["status"]?.integer == 401
          ? "bad" : "warn",
      ]
      row["failedAt"] = ConsoleWords.moment(call["at"])
      row["refusal"] = call["code"]?.string
      return row
    }
  }

  static func audit(_ page: JSONValue?) -> [PageValues] {
    (page?["data"]?.array ?? []).map { act in
      var row: PageValues = [
        "action": act["action"]?.string ?? "",
        "actor": act["actor_name"]?.string ?? act["actor"]?.string ?? "",
        "generation": act["details"]?["generation"]?.text ?? "",
      ]
      row["at"] = ConsoleWords.moment(act["at"])
      row["actRequest"] = act["request_id"]?.string
      if let user = act["details"]?["user"]?.string { row["actUser"] = user }
      return row
    }
  }

  /// What the store said of itself.
  static func asked(
    _ facts: Result<JSONValue, Problem>, _ channels: Result<JSONValue, Problem>
  ) -> PageValues {
    var values: PageValues = ["wasAsked": true]
    switch facts {
    case .failure(let problem): values["askProblem"] = "\(problem.title): \(problem.detail)"
    case .success(let store):
      let fields: [(String, String)] = [
        ("Name", "name"), ("Domain", "domain"), ("Control panel", "secure_url"),
        ("Plan", "plan_name"), ("Plan level", "plan_level"), ("Currency", "currency"),
        ("Country", "country"), ("Language", "language"), ("Owner’s address", "admin_email"),
        ("Status", "status"),
      ]
      values["answers"] =
        fields.compactMap { name, field -> PageValues? in
          guard let text = store[field]?.string, !text.isEmpty else { return nil }
          return ["factName": name, "fact": text]
        }
        + (store["timezone"]?["name"]?.string.map {
          [["factName": "Time zone", "fact": $0] as PageValues]
        } ?? [])
    }
    switch channels {
    case .failure(let problem): values["channelProblem"] = "\(problem.title): \(problem.detail)"
    case .success(let page):
      values["channels"] = (page["data"]?.array ?? []).map { channel in
        [
          "channelName": channel["name"]?.string ?? channel["id"]?.text ?? "",
          "channelType": channel["type"]?.string ?? "",
          "channelState": channel["status"]?.string ?? "",
        ] as PageValues
      }
    }
    return values
  }
}
