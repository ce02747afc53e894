package import Base

/// A kind of records that can be asked for by when they were changed, and so be compared with what
/// webhooks told of them.
package enum ComparedResource: String, CaseIterable, Hashable, Sendable {
  case orders, products, customers

  /// Relative to the store.
  package var path: String {
    switch self {
    case .orders: "/v2/orders"
    case .products: "/v3/catalog/products"
    case .customers: "/v3/customers"
    }
  }

  /// The family of its webhooks' scopes.
  var family: String {
    switch self {
    case .orders: "order"
    case .products: "product"
    case .customers: "customer"
    }
  }

  /// Records in one call; V2 orders are some kilobytes each.
  var pageSize: Int { self == .orders ? 100 : 250 }

  /// Whether a webhook of that scope tells of changes that a comparison can find.
  package func isHeard(by scope: HookScope) -> Bool {
    if !kinds(of: "store/\(family)", among: [scope]).isEmpty { return true }
    let segments = scope.text.split(separator: "/")
    guard self == .orders, segments.count > 3, segments[1] == "channel" else { return false }
    return !kinds(of: "store/channel/\(segments[2])/order", among: [scope]).isEmpty
  }

  /// The resources that these scopes tell of.
  package static func heard(by scopes: some Sequence<HookScope>) -> [ComparedResource] {
    allCases.filter { resource in scopes.contains { resource.isHeard(by: $0) } }
  }

  /// Which of the kinds of events that a comparison can find are wanted below a prefix.
  func kinds(of prefix: String, among scopes: [HookScope]) -> [SyntheticEvent.Kind] {
    SyntheticEvent.Kind.allCases.filter { kind in
      guard kind != .statusUpdated || self == .orders,
        let scope = HookScope("\(prefix)/\(kind.rawValue)")
      else { return false }
      return scopes.contains { $0.covers(scope) }
    }
  }

  /// The query for the records behind a place that were changed since a moment.
  ///
  /// Records come by ID, because that order stays as it is while records change: one that is changed
  /// meanwhile keeps its place, and one that is made meanwhile comes last. The place is empty at the
  /// beginning, else the ``ComparedPage/place`` before.
  ///
  /// Source: BigCommerce's `orders.v2.oas2.yml`, `products_catalog.v3.yml`, `customers.v3.yml`.
  package func query(since moment: Timestamp, after place: String) -> String {
    let since = PlatformTime.filter(moment)
    let limit = "limit=\(pageSize)"
    switch self {
    case .orders:
      let first = (Int64(place) ?? 0) + 1
      return "?min_date_modified=\(since)&min_id=\(first)&sort=id:asc&\(limit)"
    case .products:
      return "?date_modified:min=\(since)&id:greater=\(Int64(place) ?? 0)&sort=id&direction=asc"
        + "&include_fields=date_created,date_modified&\(limit)"
    case .customers:
      let query = "?date_modified:min=\(since)&\(limit)"
      guard !place.isEmpty else { return query }
      if let page = place.droppingPrefix(ComparedPage.pageMark) { return "\(query)&page=\(page)" }
      return "\(query)&after=\(place)"
    }
  }
}

/// What is known of a record that was changed.
package struct ComparedRecord: Hashable, Sendable {
  package let id: Int64
  /// `nil` when the answer does not say in a way that is understood.
  package let createdAt: Timestamp?
  package let modifiedAt: Timestamp?
  /// Of an order.
  package let channel: Int64?
  /// Of an order: its status now.
  package let status: Int64?

  package init(
    id: Int64, createdAt: Timestamp?, modifiedAt: Timestamp?, channel: Int64? = nil,
    status: Int64? = nil
  ) {
    self.id = id
    self.createdAt = createdAt
    self.modifiedAt = modifiedAt
    self.channel = channel
    self.status = status
  }

  init?(_ value: JSONValue) {
    func time(_ name: String) -> Timestamp? { value[name]?.string.flatMap(PlatformTime.read) }
    func number(_ name: String) -> Int64? {
      value[name]?.integer ?? value[name]?.string.flatMap { Int64($0) }
    }
    guard let id = number("id"), id > 0 else { return nil }
    self.init(
      id: id, createdAt: time("date_created"), modifiedAt: time("date_modified"),
      channel: number("channel_id"), status: number("status_id"))
  }
}

/// One page of records that were changed.
package struct ComparedPage: Hashable, Sendable {
  /// Begins a place that is a page's number and not a cursor.
  static let pageMark = "page:"
  /// Longer ones are not believed.
  private static let longestPlace = 500

  package let records: [ComparedRecord]
  /// Where the next page begins; `nil` at the end.
  package let place: String?

  package init(records: [ComparedRecord], place: String?) {
    self.records = records
    self.place = place
  }

  /// Reads an answer to ``ComparedResource/query(since:after:)``; `nil` when it is none, or would
  /// lead back to where it came from.
  ///
  /// No content is V2's empty list.
  package init?(_ answer: JSONValue, of resource: ComparedResource, after place: String) {
    guard answer != .null else {
      self.init(records: [], place: nil)
      return
    }
    guard let rows = (answer["data"] ?? answer).array else { return nil }
    let records = rows.compactMap(ComparedRecord.init)
    guard records.count == rows.count else { return nil }
    let isFull = rows.count >= resource.pageSize
    switch resource {
    case .orders, .products:
      let before = Int64(place) ?? 0
      guard records.allSatisfy({ $0.id > before }) else { return nil }
      self.init(
        records: records, place: isFull ? records.map(\.id).max().map { String($0) } : nil)
    case .customers:
      let next = ComparedPage.next(answer["meta"], isFull: isFull, after: place)
      guard next != place, next?.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) ?? true,
        (next ?? "").utf8.count <= ComparedPage.longestPlace
      else { return nil }
      self.init(records: records, place: next)
    }
  }

  /// The cursor behind the page; where the platform gives none, the next page's number.
  private static func next(_ meta: JSONValue?, isFull: Bool, after place: String) -> String? {
    if let cursor = meta?["cursor_pagination"]?["end_cursor"]?.string, !cursor.isEmpty {
      return isFull ? encoded(cursor) : nil
    }
    let pages = meta?["pagination"]
    guard let current = pages?["current_page"]?.integer,
      let total = pages?["total_pages"]?.integer
    else { return isFull ? pageMark + "2" : nil }
    return current < total ? pageMark + String(current + 1) : nil
  }

  /// A cursor as a query carries it.
  private static func encoded(_ cursor: String) -> String {
    var text = ""
    for byte in cursor.utf8 {
      let character = Character(Unicode.Scalar(byte))
      if byte < 0x80, character.isLetter || character.isNumber || "-_.~".contains(character) {
        text.append(character)
      } else {
        text += "%" + Hex.encode([byte]).uppercased()
      }
    }
    return text
  }
}

extension String {
  fileprivate func droppingPrefix(_ prefix: String) -> Substring? {
    hasPrefix(prefix) ? dropFirst(prefix.count) : nil
  }
}
