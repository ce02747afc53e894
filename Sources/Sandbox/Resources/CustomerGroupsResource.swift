import Base
import NIOHTTP1

/// `/v2/customer_groups`.
enum CustomerGroupsResource {
  static let routes: [RouteTree.Route] = [
    .init("GET", "/v2/customer_groups", list), .init("POST", "/v2/customer_groups", create),
    .init("GET", "/v2/customer_groups/count") { data, _ in
      .bare(["count": .integer(data.customerGroups.rows.count)])
    },
    .init("GET", "/v2/customer_groups/{id}") { data, call throws(APIFailure) in
      .bare(try find(data, call))
    },
    .init("PUT", "/v2/customer_groups/{id}", update),
    .init("DELETE", "/v2/customer_groups/{id}", delete),
  ]

  private static let filter = Filter(fields: ["id", "name", "is_default", "is_group_for_guests"])

  private static func list(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let rows = try filter.apply(call.query, to: data.customerGroups.rows)
    return .list(Page(of: rows, window: try call.window()).items)
  }

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let body = try call.object()
    guard let name = body["name"]?.string, !name.isEmpty else {
      throw .invalidV2Field("name")
    }
    try checkUnique(data, name: name, id: nil)
    guard !data.customerGroups.isFull else { throw .full }
    let group = data.customerGroups.insert(
      document(name: name, at: call.now).merging(body, except: locked))
    var answer = APIAnswer.bare(group, status: .created)
    answer.headers.add(
      name: "location",
      value: "\(call.origin)/stores/\(call.store)/v2/customer_groups/\(group["id"]?.text ?? "")")
    return answer
  }

  private static func update(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let id = try call.id()
    let group = try find(data, call)
    let body = try call.object()
    if let name = body["name"]?.string { try checkUnique(data, name: name, id: id) }
    let changed = group.merging(body, except: locked)
      .setting("date_modified", .string(CalendarText.plain(call.now)))
    data.customerGroups.replace(id, with: changed)
    return .bare(changed)
  }

  private static func delete(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    _ = try find(data, call)
    data.customerGroups.remove(try call.id())
    return .noContent
  }

  private static func find(_ data: StoreData, _ call: APICall) throws(APIFailure) -> JSONValue {
    guard let group = data.customerGroups[try call.id()] else { throw .noRoute }
    return group
  }

  private static func checkUnique(
    _ data: StoreData, name: String, id: Int64?
  ) throws(APIFailure) {
    let isTaken = data.customerGroups.contains {
      $0["name"]?.string == name && $0["id"]?.integer != id
    }
    if isTaken {
      throw .conflict(
        "A customer group with this name exists already",
        [.init("conflict_reason", "A group with this name exists")])
    }
  }

  private static let locked: Set<String> = ["id", "date_created", "date_modified"]

  static func document(name: String, at now: Timestamp) -> JSONValue {
    let date = JSONValue.string(CalendarText.plain(now))
    return [
      "id": 0, "name": .string(name), "is_default": false,
      "category_access": ["type": "all"], "discount_rules": [], "is_group_for_guests": false,
      "date_created": date, "date_modified": date,
    ]
  }
}

extension APIFailure {
  /// V2's refusal of a field.
  static func invalidV2Field(_ name: String, _ reason: String = "required") -> APIFailure {
    APIFailure(
      status: .badRequest, title: "The field '\(name)' is invalid.",
      errors: [.init("invalid_reason", .string(reason))])
  }
}
