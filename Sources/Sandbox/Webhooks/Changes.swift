import Base

extension StoreData {
  /// Notes that something happened; the app hears of it when the call is over.
  mutating func happen(_ scope: String, _ data: JSONValue) {
    guard !hooks.rows.isEmpty else { return }
    happenings.append(Happening(scope: scope, data: data))
  }

  /// Notes what happened to one thing of a family: `store/order/created` with its type and ID.
  ///
  /// With a channel, `store/channel/1/order/created` follows, whose data names the ID flatly.
  mutating func happened(
    _ family: String, _ what: String, _ id: JSONValue?, channel: JSONValue? = nil,
    _ more: [JSONValue.Member] = []
  ) {
    let id = id ?? .null
    happen(
      "store/\(family)/\(what)",
      .object([.init("type", .string(family)), .init("id", id)] + more))
    guard let channel else { return }
    happen(
      "store/channel/\(channel.text)/\(family)/\(what)",
      .object([.init("\(family)_id", id)] + more))
  }

  /// Takes what happened, with the webhooks that hear of it.
  mutating func takeOccurrences(of store: Store, at now: Timestamp) -> [Occurrence] {
    let taken = happenings
    happenings = []
    return taken.compactMap { happening in
      let hooks = listeners(to: happening.scope, at: now)
      return hooks.isEmpty
        ? nil : Occurrence(store: store, happening: happening, at: now, hooks: hooks)
    }
  }
}
