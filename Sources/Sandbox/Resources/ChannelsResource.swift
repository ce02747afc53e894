import Base

/// `/v3/channels`, read only.
enum ChannelsResource {
  static let routes: [RouteTree.Route] = [
    .init("GET", "/v3/channels", list),
    .init("GET", "/v3/channels/{id}") { data, call throws(APIFailure) in
      let id = try call.id()
      guard let channel = data.channels[id] else {
        throw .notFound("Channel \(id) was not found.")
      }
      return .data(channel)
    },
  ]

  private static let filter = Filter(fields: ["id", "type", "platform", "status"])

  private static func list(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    var rows = data.channels.rows
    if let available = call.query["available"] {
      rows = rows.filter { ($0["is_enabled"]?.bool == true) == (available == "true") }
    }
    rows = try filter.apply(call.query, to: rows)
    return .page(Page(of: rows, window: try call.window(allowsCursor: true)))
  }

  static func document(name: String, type: String, platform: String) -> JSONValue {
    let date = JSONValue.string(CalendarText.iso8601(Seed.epoch))
    return [
      "id": 0, "external_id": "", "is_listable_from_ui": true, "is_enabled": true,
      "is_visible": true, "status": "active", "name": .string(name), "type": .string(type),
      "platform": .string(platform), "date_created": date, "date_modified": date,
      "icon_url": .string("https://cdn11.bigcommerce.example/icons/\(platform).png"),
    ]
  }
}
