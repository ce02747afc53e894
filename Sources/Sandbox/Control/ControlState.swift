import Base
import NIOHTTP1

/// Commands on the sandbox as a whole: reset, recordings, faults.
enum ControlState {
  static let commands: [ControlAPI.Command] = [
    .init(.GET, "health", "answers when the sandbox is up") { _ in .json(["status": "up"]) },
    .init(.POST, "reset", "back to seeded stores; forgets tokens, codes, faults, recordings") {
      $0.platform.reset()
      return .done
    },
    .init(
      .GET, "requests", "what arrived: ?after=NUMBER&limit=&host=api|login&store=&path=PREFIX",
      requests),
    .init(.DELETE, "requests", "forgets what arrived, and the counters") {
      $0.platform.journal.clear()
      return .done
    },
    .init(
      .GET, "counters", "requests in all, at the token endpoint, per code and per status"
    ) { .json($0.platform.journal.counters) },
    .init(.GET, "faults", "the faults in force") { .json($0.platform.faults.listed) },
    .init(
      .POST, "faults",
      "orders a fault: kind, host, method, path, store, times, skip, delay_ms, carry_out …"
    ) { call throws(ControlError) in
      .json(try call.platform.faults.add(call.body), status: .created)
    },
    .init(.DELETE, "faults", "ends all faults") {
      $0.platform.faults.removeAll()
      return .done
    },
    .init(.DELETE, "faults", arguments: 1, "ends one fault") { call throws(ControlError) in
      guard let id = Int(call.rest[0]), call.platform.faults.remove(id) else {
        throw .notFound("fault \(call.rest[0])")
      }
      return .done
    },
  ]

  private static func requests(_ call: ControlCall) throws(ControlError) -> Outcome {
    let host = call.query["host"]
    let store = call.query["store"].map { "/stores/\($0)/" }
    let path = call.query["path"]
    let entries = call.platform.journal.entries(
      after: call.query["after"].flatMap { Int($0) } ?? 0,
      limit: call.query["limit"].flatMap { Int($0) } ?? 1000
    ) { entry in
      if let host, entry.host.description != host { return false }
      if let store, !entry.target.hasPrefix(store) { return false }
      if let path, !entry.target.hasPrefix(path) { return false }
      return true
    }
    return .json(.array(entries.map(\.document)))
  }
}
