import Base
import NIOHTTP1
import Synchronization

/// Commands on stores: making them, their quota, what they hold.
enum ControlStores {
  static let commands: [ControlAPI.Command] = [
    .init(.GET, "stores", "the stores") { call in
      .json(.array(call.platform.stores.withLock { $0.all }.map(document)))
    },
    .init(.POST, "stores", "makes a store (store_hash, name) or several (count)", create),
    .init(.GET, "stores", arguments: 1, "one store with its users and quota") {
      call throws(ControlError) in .json(document(try find(call)))
    },
    .init(
      .PUT, "stores", arguments: 1, "condition: open, suspended, owner_gone or plan_limit",
      setCondition),
    .init(
      .PUT, "quota", arguments: 1,
      "a store's quota (or * for all): limit, window_ms, headers, strangers; starts a fresh window",
      setQuota),
    .init(.GET, "quota", arguments: 1, "what became of the calls of past windows", quotaUse),
    .init(.GET, "hooks", arguments: 1, "every webhook of a store, whoever made it") {
      call throws(ControlError) in
      .json(.array(try find(call).hooks))
    },
    .init(
      .PUT, "hooks", arguments: 2,
      "changes a webhook as the platform may: is_active; age_days puts its last event back", setHook
    ),
  ]

  private static func create(_ call: ControlCall) throws(ControlError) -> Outcome {
    let count = Int(call.body["count"]?.integer ?? 1)
    guard (1...10_000).contains(count) else { throw .invalid("count must be 1 to 10000") }
    let hash = call.body["store_hash"]?.string
    guard hash == nil || hash.flatMap({ StoreHash($0) }) != nil else {
      throw .invalid("store_hash must be 1 to 32 lower-case letters and digits")
    }
    let name = call.body["name"]?.string
    let made = call.platform.stores.withLock { shelf in
      (0..<count).compactMap { _ in shelf.add(hash: hash, name: name) }
    }
    guard made.count == count else { throw .invalid("there is such a store already") }
    return .json(.array(made.map(document)), status: .created)
  }

  private static func setCondition(_ call: ControlCall) throws(ControlError) -> Outcome {
    let store = try find(call)
    guard let condition = call.body["condition"]?.string.flatMap(StoreCondition.init) else {
      let words = StoreCondition.allCases.map(\.rawValue).joined(separator: ", ")
      throw .invalid("condition must be one of \(words)")
    }
    store.condition = condition
    return .json(document(store))
  }

  private static func setQuota(_ call: ControlCall) throws(ControlError) -> Outcome {
    let stores =
      call.rest[0] == "*" ? call.platform.stores.withLock { $0.all } : [try find(call)]
    for store in stores {
      var quota = store.quota
      if let limit = call.body["limit"]?.integer { quota.limit = Int(limit) }
      if let window = call.body["window_ms"]?.integer { quota.window = .milliseconds(window) }
      if let headers = call.body["headers"]?.bool { quota.showsHeaders = headers }
      if let strangers = call.body["strangers"]?.integer { quota.strangers = Int(strangers) }
      quota.refill()
      store.quota = quota
    }
    return .done
  }

  private static func quotaUse(_ call: ControlCall) throws(ControlError) -> Outcome {
    let windows = try find(call).quotaHistory(at: call.platform.now)
    return .json(
      .array(
        windows.map {
          [
            "taken": .integer($0.taken), "refused": .integer($0.refused),
            "strangers": .integer($0.strangers),
          ]
        }))
  }

  private static func setHook(_ call: ControlCall) throws(ControlError) -> Outcome {
    let store = try find(call)
    guard let id = Int64(call.rest[1]) else { throw .notFound("hook \(call.rest[1])") }
    let now = call.platform.now
    let changed = store.withData { data -> JSONValue? in
      guard let hook = data.hooks[id] else { return nil }
      data.hooks.replace(id, with: hook.merging(call.body))
      if call.body["is_active"] != nil { data.noteSwitch(ofHook: id, at: now) }
      if let days = call.body["age_days"]?.integer { data.age(hook: id, days: days, at: now) }
      data.answers.clear()
      return data.hooks[id]
    }
    guard let changed else { throw .notFound("hook \(id)") }
    return .json(changed)
  }

  private static func find(_ call: ControlCall) throws(ControlError) -> Store {
    guard let store = call.platform.store(call.rest[0]) else {
      throw .notFound("store \(call.rest[0])")
    }
    return store
  }

  private static func document(_ store: Store) -> JSONValue {
    let quota = store.quota
    let profile = store.profile
    return [
      "store_hash": .string(store.hash), "name": .string(profile.name),
      "condition": .string(store.condition.rawValue),
      "users": .array(
        profile.users.map { user in
          [
            "id": .integer(user.id), "name": .string(user.name), "email": .string(user.email),
            "locale": .string(user.locale), "is_owner": .bool(user.isOwner),
          ]
        }),
      "quota": [
        "limit": .integer(quota.limit), "window_ms": .integer(quota.window.inMilliseconds),
        "headers": .bool(quota.showsHeaders),
      ],
    ]
  }
}
