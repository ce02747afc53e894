package import Base
import BigCommerce
import HTTPTypes
import Postgres
package import Storage

/// `/v1/usage`: what calls of stores came to, by time, store, caller and endpoint.
package struct UsageAPI: Sendable {
  private static let most = Duration.seconds(400 * 86400)

  let reading: UsageReading
  let apps: [AppName]
  let clock: WallClock

  package init(reading: UsageReading, apps: [AppName], clock: WallClock = .system) {
    self.reading = reading
    self.apps = apps
    self.clock = clock
  }

  package var routes: [APIRoute] {
    [
      APIRoute(.showUsage) { request throws(Problem) in try await read(request) }
    ]
  }

  private func read(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let question = try question(request)
    let limit = try request.query.limit()
    let after = try request.query.after(UsageCursor.init(_:))?.key
    let found = try await stored { () throws(PostgresError) in
      try await reading.read(question, after: after, limit: limit + 1)
    }
    let page = found.prefix(limit)
    let next = found.count > limit ? page.last.map { UsageCursor(key: $0.key).text } : nil
    return .page(page.map { .object($0.members(of: question)) }, next: next)
  }

  // MARK: The question

  private func question(_ request: APIRequest) throws(Problem) -> UsageQuestion {
    let query = request.query
    let app = try query.onlyApp(of: request.caller, among: apps)
    let store = try query.tenant(of: request.caller).store
    let now = clock.now()
    let until = try query.time("until") ?? now
    let since = try query.time("since") ?? (until - .seconds(3600))
    guard since < until, until - since <= Self.most else {
      throw .badRequest("The query parameter since lies before until, by at most 400 days.")
    }
    let step = try query.step(until - since)
    var question = UsageQuestion(
      app: app, grain: step.grain, since: step.grain.start(of: since), until: until)
    question.byTime = step.byTime
    question.store = store
    question.caller = query["caller"]
    question.family = query["family"]
    for name in query["by"]?.split(separator: ",", omittingEmptySubsequences: false) ?? [] {
      switch name {
      case "store": question.byStore = true
      case "caller": question.byCaller = true
      case "family": question.byFamily = true
      default:
        throw .badRequest("The query parameter by is some of store, caller, family, with commas.")
      }
    }
    guard store != nil || request.caller.grant.stores == .all else {
      throw .grantMissing(
        "This key is for some stores; ask for one of them with store=, all together are for a key for all."
      )
    }
    return question
  }
}

/// How the time is divided.
struct UsageStep {
  /// The words of the query parameter `step`.
  enum Word: String, CaseIterable {
    case minute, hour, day, total
  }

  let grain: UsageQuestion.Grain
  let byTime: Bool
}

extension APIQuery {
  /// `step`: minute, hour, day or total; when absent, what gives the time some dozen rows.
  fileprivate func step(_ length: Duration) throws(Problem) -> UsageStep {
    switch try word("step", UsageStep.Word.self) {
    case .total:
      // Sums of whole hours and days cost less; minutes are kept for some days only.
      let grain: UsageQuestion.Grain =
        length <= .seconds(3 * 3600) ? .minute : length <= .seconds(3 * 86400) ? .hour : .day
      return UsageStep(grain: grain, byTime: false)
    case nil:
      let grain: UsageQuestion.Grain =
        length <= .seconds(3 * 3600) ? .minute : length <= .seconds(8 * 86400) ? .hour : .day
      return UsageStep(grain: grain, byTime: true)
    case .minute: return UsageStep(grain: .minute, byTime: true)
    case .hour: return UsageStep(grain: .hour, byTime: true)
    case .day: return UsageStep(grain: .day, byTime: true)
    }
  }
}

extension UsageQuestion.Grain {
  private var seconds: Int64 {
    switch self {
    case .minute: 60
    case .hour: 3600
    case .day: 86400
    }
  }

  /// The beginning of the minute, hour or day in UTC.
  fileprivate func start(of moment: Timestamp) -> Timestamp {
    Timestamp(seconds: moment.seconds - moment.seconds % seconds)
  }
}

/// Where a page ends; opaque to callers.
private struct UsageCursor {
  let key: UsageRow.Key

  init(key: UsageRow.Key) {
    self.key = key
  }

  init(_ text: String) throws(Problem) {
    let parts = Base64.decodeURL(text).map { String(decoding: $0, as: UTF8.self) }?
      .split(separator: "\n", omittingEmptySubsequences: false)
    guard let parts, parts.count == 5, parts[0] == "u", let at = Int64(parts[2]) else {
      throw .badRequest("The query parameter after takes the next of the previous answer.")
    }
    key = UsageRow.Key(
      store: String(parts[1]), startsAt: at == 0 ? nil : Timestamp(microseconds: at),
      caller: String(parts[3]), family: String(parts[4]))
  }

  var text: String {
    let parts = [
      "u", key.store ?? "", String(key.startsAt?.microseconds ?? 0), key.caller ?? "",
      key.family ?? "",
    ]
    return Base64.encodeURL(Array(parts.joined(separator: "\n").utf8))
  }
}

extension UsageRow {
  fileprivate func members(of question: UsageQuestion) -> [JSONValue.Member] {
    var members: [JSONValue.Member] = []
    if let startsAt = key.startsAt { members.append(.init("starts_at", .time(startsAt))) }
    members.append(.init("app", .string(question.app.text)))
    if let store = key.store ?? question.store?.text {
      members.append(.init("store_hash", .string(store)))
    }
    if let caller = key.caller ?? question.caller {
      members.append(.init("caller", caller.isEmpty ? .null : .string(caller)))
    }
    if key.caller != nil {
      members.append(.init("caller_name", callerName.map { .string($0) } ?? .null))
    }
    if let family = key.family ?? question.family {
      members.append(.init("family", family.isEmpty ? .null : .string(family)))
    }
    return members + counts.members
  }
}

extension UsageCounts {
  /// The numbers of a row; times in seconds.
  fileprivate var members: [JSONValue.Member] {
    let counts: [(String, Field)] = [
      ("calls", .calls), ("rejected", .rejected), ("throttled", .throttled), ("failed", .failed),
      ("refused", .refused), ("abandoned", .abandoned), ("waited", .waited),
      ("sent_bytes", .sentBytes), ("received_bytes", .receivedBytes),
    ]
    let latency: [JSONValue.Member] = [
      .init("mean", .seconds(meanLatency)), .init("p50", .seconds(latency(quantile: 0.5))),
      .init("p95", .seconds(latency(quantile: 0.95))),
      .init("p99", .seconds(latency(quantile: 0.99))),
    ]
    return counts.map { .init($0, .integer(self[$1])) } + [
      .init("waited_seconds", .seconds(Double(self[.waitedMicroseconds]) / 1_000_000)),
      .init("latency", .object(latency)),
    ]
  }
}

extension JSONValue {
  fileprivate static func seconds(_ value: Double?) -> JSONValue {
    value.map { .number(String($0)) } ?? .null
  }
}
