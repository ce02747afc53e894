package import Base

/// A webhook as the platform has it.
package struct HookRecord: Hashable, Sendable {
  package let id: Int64
  /// `nil` when the answer does not say.
  package let clientID: String?
  /// As registered; it need not be one of ours.
  package let scope: String
  package let destination: String
  package let isActive: Bool
  /// Sent with each delivery.
  package let headers: [Header]
  /// Whole seconds of the platform's clock.
  package let createdAt: Timestamp?
  package let updatedAt: Timestamp?

  /// One header of a webhook.
  package struct Header: Hashable, Sendable {
    package let name: String
    package let value: String

    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  package init(
    id: Int64, clientID: String? = nil, scope: String, destination: String, isActive: Bool = true,
    headers: [Header] = [], createdAt: Timestamp? = nil, updatedAt: Timestamp? = nil
  ) {
    self.id = id
    self.clientID = clientID
    self.scope = scope
    self.destination = destination
    self.isActive = isActive
    self.headers = headers
    self.createdAt = createdAt
    self.updatedAt = updatedAt
  }

  /// Reads one webhook, overlooking what is not known.
  ///
  /// `nil` without ID, scope and destination.
  package init?(_ value: JSONValue) {
    guard let id = value["id"]?.hookNumber, let scope = value["scope"]?.string,
      let destination = value["destination"]?.string
    else { return nil }
    self.init(
      id: id, clientID: value["client_id"]?.string, scope: scope, destination: destination,
      isActive: value["is_active"]?.bool ?? true,
      headers: (value["headers"]?.members ?? []).compactMap { member in
        member.value.string.map { Header(member.name, $0) }
      }, createdAt: value["created_at"]?.hookTime, updatedAt: value["updated_at"]?.hookTime)
  }

  /// Reads the answer to a call about one webhook, wrapped as V3 has it or bare.
  package static func one(_ answer: JSONValue) -> HookRecord? {
    HookRecord(answer["data"] ?? answer)
  }
}

/// One page of a store's webhooks.
package struct HookPage: Hashable, Sendable {
  package let hooks: [HookRecord]
  /// Whether another page follows.
  package let hasMore: Bool

  /// Reads a list, wrapped as V3 has it or bare; `nil` when it is none, or holds what is no webhook.
  ///
  /// `limit` is how many were asked for: a bare list that is full may go on.
  package init?(_ answer: JSONValue, limit: Int) {
    guard let rows = (answer["data"] ?? answer).array else { return nil }
    let hooks = rows.compactMap(HookRecord.init)
    guard hooks.count == rows.count else { return nil }
    self.hooks = hooks
    let page = answer["meta"]?["pagination"]
    if let current = page?["current_page"]?.integer, let total = page?["total_pages"]?.integer {
      hasMore = current < total && !rows.isEmpty
    } else {
      hasMore = rows.count >= limit
    }
  }
}

/// What the platform says of its own accord about an app's webhooks: `GET /v3/hooks/admin`.
package struct HookAdmin: Hashable, Sendable {
  /// A domain to which nothing is delivered for a while, because too much failed.
  package struct BlockedDomain: Hashable, Sendable {
    package let destination: String
    /// From the moment of the answer.
    package let timeLeft: Duration
    /// The platform's words for what failed, at most five of at most 200 characters.
    package let reasons: [String]

    package init(destination: String, timeLeft: Duration, reasons: [String]) {
      self.destination = destination
      self.timeLeft = timeLeft
      self.reasons = reasons
    }
  }

  package let blockedDomains: [BlockedDomain]
  /// Webhooks that the platform itself has switched off, by ID.
  package let deactivated: Set<Int64>

  package init(blockedDomains: [BlockedDomain] = [], deactivated: Set<Int64> = []) {
    self.blockedDomains = blockedDomains
    self.deactivated = deactivated
  }

  /// Reads the answer, wrapped or bare; `nil` when it is no object.
  package init?(_ answer: JSONValue) {
    let data = answer["data"] ?? answer
    guard data.members != nil else { return nil }
    deactivated = Set(
      (data["hooks_list"]?.array ?? []).filter { $0["status"]?.string == "deactivated" }
        .compactMap { $0["id"]?.hookNumber })
    blockedDomains = (data["blocked_domains"]?.array ?? []).compactMap { domain in
      guard let destination = domain["destination"]?.string else { return nil }
      let reasons = (domain["reasons"]?.array ?? []).compactMap {
        $0["failure_description"]?.string ?? $0.string
      }
      return BlockedDomain(
        destination: String(destination.prefix(200)),
        timeLeft: .seconds(max(0, min(domain["time_left"]?.hookNumber ?? 0, 86400))),
        reasons: reasons.prefix(5).map { String($0.prefix(200)) })
    }
  }
}

extension JSONValue {
  /// A number that may come as text.
  fileprivate var hookNumber: Int64? { integer ?? string.flatMap { Int64($0) } }

  /// Whole seconds since 1970; what is no such moment is unknown.
  fileprivate var hookTime: Timestamp? {
    hookNumber.flatMap { (0...32_503_680_000).contains($0) ? Timestamp(seconds: $0) : nil }
  }
}
