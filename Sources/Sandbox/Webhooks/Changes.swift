import Base

extension StoreData {
  /// Notes that something happened; the app hears of it when the call is over.
  mutating func happen(_ scope: String, _ data: JSONValue) {
    guard !hooks.rows.isEmpty else { return }
    happenings.append(Happening(scope: scope, data: data))
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
