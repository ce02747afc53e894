import Base
import NIOHTTP1

/// The part of a list that a call asks for.
struct PageWindow: Sendable {
  static let defaultLimit = 50
  static let maximumLimit = 250

  let page: Int
  let limit: Int
  let cursor: Cursor?
  /// With a limit but no page both forms of paging are described in the answer.
  let describesCursor: Bool
  /// The filters of the call, which links repeat.
  let filters: Query

  /// A place in a list that stays true while the list grows.
  enum Cursor: Sendable {
    case after(Int64)
    case before(Int64)
  }

  init(query: Query, allowsCursor: Bool) throws(APIFailure) {
    page = try PageWindow.number("page", in: query) ?? 1
    limit = try PageWindow.number("limit", in: query) ?? PageWindow.defaultLimit
    guard limit <= PageWindow.maximumLimit else {
      throw APIFailure(
        status: .payloadTooLarge,
        title: "The limit is too high. The maximum is \(PageWindow.maximumLimit).")
    }
    let after = allowsCursor ? query["after"] : nil
    let before = allowsCursor ? query["before"] : nil
    guard after == nil || before == nil else {
      throw .invalid("after", "after and before exclude each other")
    }
    if let after {
      cursor = .after(try PageWindow.id(cursor: after, "after"))
    } else if let before {
      cursor = .before(try PageWindow.id(cursor: before, "before"))
    } else {
      cursor = nil
    }
    describesCursor = allowsCursor && query["limit"] != nil && query["page"] == nil
    filters = Query(
      query.items.filter { !["page", "limit", "after", "before"].contains($0.name) })
  }

  /// A window around everything, for answers to batches.
  static func whole(count: Int) -> PageWindow { PageWindow(limit: max(1, count)) }

  private init(limit: Int) {
    page = 1
    self.limit = limit
    cursor = nil
    describesCursor = false
    filters = Query()
  }

  private static func number(_ name: String, in query: Query) throws(APIFailure) -> Int? {
    guard let text = query[name] else { return nil }
    guard let number = Int(text), number >= 1, number <= 1_000_000 else {
      throw .invalid(name, "\(name) must be a positive number")
    }
    return number
  }

  private static func id(cursor: String, _ name: String) throws(APIFailure) -> Int64 {
    guard let bytes = Base64.decode(cursor),
      let id = Int64(String(decoding: bytes, as: UTF8.self).dropFirst("id:".count))
    else { throw .invalid(name, "\(name) is not a cursor") }
    return id
  }

  static func cursor(_ item: JSONValue) -> String {
    Base64.encode(Array("id:\(item["id"]?.integer ?? 0)".utf8))
  }
}

/// One page of a V3 list.
struct Page: Sendable {
  let items: [JSONValue]
  let meta: JSONValue

  /// Cuts the page out of a list that is in the order of its IDs (or sorted, without cursors).
  init(of all: [JSONValue], window: PageWindow) {
    if let cursor = window.cursor {
      let slice = Page.slice(all, cursor: cursor, limit: window.limit)
      items = Array(all[slice])
      meta = ["cursor_pagination": Page.cursorMeta(all, slice: slice, window: window)]
      return
    }
    let start = min(all.count, (window.page - 1) * window.limit)
    let slice = start..<min(all.count, start + window.limit)
    items = Array(all[slice])
    var meta: JSONValue = [
      "pagination": Page.pageMeta(total: all.count, count: slice.count, window: window)
    ]
    if window.describesCursor {
      meta = meta.setting(
        "cursor_pagination", Page.cursorMeta(all, slice: slice, window: window))
    }
    self.meta = meta
  }

  private static func slice(
    _ all: [JSONValue], cursor: PageWindow.Cursor, limit: Int
  ) -> Range<Int> {
    switch cursor {
    case .after(let id):
      let start = all.firstIndex { ($0["id"]?.integer ?? 0) > id } ?? all.count
      return start..<min(all.count, start + limit)
    case .before(let id):
      let end = all.firstIndex { ($0["id"]?.integer ?? 0) >= id } ?? all.count
      return max(0, end - limit)..<end
    }
  }

  private static func pageMeta(total: Int, count: Int, window: PageWindow) -> JSONValue {
    let pages = max(1, (total + window.limit - 1) / window.limit)
    func link(_ page: Int) -> JSONValue {
      var query = window.filters
      query.append("page", String(page))
      query.append("limit", String(window.limit))
      return .string("?" + query.text)
    }
    var links: [JSONValue.Member] = []
    if window.page > 1 { links.append(.init("previous", link(window.page - 1))) }
    links.append(.init("current", link(window.page)))
    if window.page < pages { links.append(.init("next", link(window.page + 1))) }
    return [
      "total": .integer(total), "count": .integer(count), "per_page": .integer(window.limit),
      "current_page": .integer(window.page), "total_pages": .integer(pages),
      "links": .object(links),
    ]
  }

  private static func cursorMeta(
    _ all: [JSONValue], slice: Range<Int>, window: PageWindow
  ) -> JSONValue {
    func link(_ name: String, _ item: JSONValue) -> JSONValue {
      var query = window.filters
      query.append(name, PageWindow.cursor(item))
      query.append("limit", String(window.limit))
      return .string("?" + query.text)
    }
    var members: [JSONValue.Member] = [
      .init("count", .integer(slice.count)), .init("per_page", .integer(window.limit)),
    ]
    var links: [JSONValue.Member] = []
    if let first = slice.first, let last = slice.last {
      members.append(.init("start_cursor", .string(PageWindow.cursor(all[first]))))
      members.append(.init("end_cursor", .string(PageWindow.cursor(all[last]))))
      if first > 0 { links.append(.init("previous", link("before", all[first]))) }
      if last < all.count - 1 { links.append(.init("next", link("after", all[last]))) }
    }
    members.append(.init("links", .object(links)))
    return .object(members)
  }
}
