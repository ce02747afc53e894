import Base
import BigCommerce

/// What the API tells of a key, as the console shows it.
enum CallerView {
  /// One row of the list.
  static func row(_ key: JSONValue, _ now: Timestamp) -> PageValues {
    let id = key["id"]?.string ?? ""
    let stores = ConsoleWords.texts(key["stores"])
    var row: PageValues = [
      "keyID": id, "href": "/console/callers/\(id)", "keyName": key["name"]?.string ?? "",
      "keyApp": key["app"]?.string ?? "all", "keyAbilities": ConsoleWords.texts(key["abilities"]),
      "keyStores": stores == ["*"]
        ? "all"
        : stores.count > 3
          ? ConsoleWords.count(stores.count, "name") : stores.joined(separator: ", "),
      "standing": standing(key, now),
    ]
    row["used"] = ConsoleWords.moment(key["last_used_at"])
    row["created"] = ConsoleWords.moment(key["created_at"])
    row["isGood"] = standing(key, now)["tone"] as? String != "bad"
    return row
  }

  /// A badge for whether the key is good, and until when.
  private static func standing(_ key: JSONValue, _ now: Timestamp) -> PageValues {
    func isOver(_ field: String) -> Bool {
      key[field]?.string.flatMap { Timestamp($0) }.map { $0 <= now } ?? false
    }
    if key["revoked_at"]?.string != nil { return ["word": "revoked", "tone": "bad"] }
    if isOver("expires_at") { return ["word": "expired", "tone": "bad"] }
    if isOver("overlap_ends_at") { return ["word": "replaced", "tone": "bad"] }
    if key["overlap_ends_at"]?.string != nil { return ["word": "being replaced", "tone": "warn"] }
    return ["word": "good", "tone": "good"]
  }

  static func facts(_ key: JSONValue) -> [PageValues] {
    var facts: [PageValues] = [
      ["factName": "App", "fact": key["app"]?.string ?? "all apps"],
      [
        "factName": "Calls a minute",
        "fact": key["rate"]?.integer.map(ConsoleWords.count) ?? "any number",
      ],
      ["factName": "Made by", "fact": key["created_by"]?.string ?? ""],
    ]
    if let former = key["rotated_from"]?.string {
      facts.append(["factName": "Replaces", "fact": former])
    }
    for (name, field) in [
      ("Made", "created_at"), ("Last used", "last_used_at"), ("Expires", "expires_at"),
      ("Overlap ends", "overlap_ends_at"), ("Revoked", "revoked_at"),
    ] {
      guard let moment = ConsoleWords.moment(key[field]) else { continue }
      facts.append(["factName": name, "moment": moment])
    }
    return facts
  }

  /// The grant's lists, as written.
  static func limits(_ key: JSONValue) -> [PageValues] {
    [
      ("Abilities", "abilities"), ("Stores", "stores"), ("Scopes", "scopes"),
      ("Methods", "methods"), ("Paths", "paths"),
    ].map { title, field in
      let names = ConsoleWords.texts(key[field])
      return [
        "limit": title, "isAll": names == ["*"], "names": names == ["*"] ? [] : names,
      ]
    }
  }

  static func meaning(of ability: Ability) -> String {
    switch ability {
    case .proxy: "Call stores through the gateway"
    case .proxyGraphQL: "Call GraphQL through the gateway"
    case .proxyUnlisted: "Call methods and paths that no documentation lists"
    case .storesRead: "See stores, usage, webhooks"
    case .storesWrite: "Verify, suspend, label, import, delete stores"
    case .ticketsRedeem: "Redeem tickets of loads"
    case .eventsRead: "Read events and deliveries"
    case .keys: "Make, list, rotate and revoke keys that grant no more"
    case .metrics: "Read metrics"
    case .operator: "All of these, the audit trail, all apps"
    }
  }
}
