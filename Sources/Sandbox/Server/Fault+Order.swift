import Base
import NIOCore
import NIOHTTP1

extension Fault {
  private static let knownNames: Set<String> = [
    "kind", "host", "method", "path", "store", "times", "skip", "delay_ms", "carry_out", "status",
    "headers", "body", "content_type", "at", "after_bytes", "bytes", "every_ms", "text",
    "rate_limit_headers", "reset_ms", "share", "seed",
  ]

  /// Reads an order of the control API: `{"kind": …, "host": …, "path": …, "times": …}`.
  init(id: Int, order: JSONValue) throws(ControlError) {
    guard let members = order.members, let kind = order["kind"]?.string else {
      throw .invalid("kind is missing")
    }
    if let unknown = members.first(where: { !Fault.knownNames.contains($0.name) }) {
      throw .invalid("unknown field \(unknown.name)")
    }
    let plan = try FaultPlan(kind: kind, order: order)
    let chance = try FaultChance(order: order)
    self.init(
      id: id,
      match: FaultMatch(
        host: order["host"]?.string, method: order["method"]?.string,
        pathPrefix: order["path"]?.string, store: order["store"]?.string),
      skip: Int(order["skip"]?.integer ?? 0), remaining: order["times"]?.integer.map { Int($0) },
      chance: chance,
      delay: .milliseconds(order["delay_ms"]?.integer ?? 0),
      carriesOut: order["carry_out"]?.bool ?? plan.carriesOut, replacement: plan.replacement,
      delivery: plan.delivery, order: order)
  }
}

extension FaultChance {
  /// Reads `share` and `seed`; `nil` without a share.
  init?(order: JSONValue) throws(ControlError) {
    guard let wanted = order["share"] else { return nil }
    guard let share = wanted.lenientDecimal, (0...1).contains(share) else {
      throw .invalid("share must be 0 to 1")
    }
    self.init(share: share, seed: order["seed"]?.integer ?? 0)
  }
}

/// What a kind of fault means before its order says otherwise.
private struct FaultPlan {
  var replacement = SandboxResponse(headers: ["content-type": "application/json"])
  var delivery: Fault.Delivery = .plain
  var carriesOut = false

  init(kind: String, order: JSONValue) throws(ControlError) {
    switch kind {
    case "delay": carriesOut = true
    case "status": replacement = try FaultPlan.answer(order)
    case "too_many_requests": replacement = FaultPlan.tooManyRequests(order)
    case "hang": delivery = .never
    case "reset": delivery = .reset
    case "close":
      delivery = .cut(try FaultPlan.cut(order))
      carriesOut = true
    case "truncate":
      delivery = .cut(.withinBody)
      carriesOut = true
    case "slow":
      delivery = .slow(
        bytes: Int(order["bytes"]?.integer ?? 1),
        interval: .milliseconds(order["every_ms"]?.integer ?? 100))
      carriesOut = true
    case "oversize": delivery = .oversize(bytes: Int(order["bytes"]?.integer ?? 100_000_000))
    case "big_head":
      replacement.headers.add(
        name: "x-sandbox-filler",
        value: String(repeating: "x", count: Int(order["bytes"]?.integer ?? 1_000_000)))
    case "bad_chunk":
      delivery = .raw(
        ByteBuffer(
          string: "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            + "transfer-encoding: chunked\r\n\r\n5\r\n{\"a\":\r\nzz\r\n1}\r\n"))
    case "raw": delivery = .raw(ByteBuffer(string: order["text"]?.string ?? ""))
    default:
      throw .invalid(
        "kind must be delay, status, too_many_requests, hang, reset, close, truncate, slow, "
          + "oversize, big_head, bad_chunk or raw")
    }
  }

  private static func cut(_ order: JSONValue) throws(ControlError) -> Cut {
    if let bytes = order["after_bytes"]?.integer { return .after(bytes: Int(bytes)) }
    switch order["at"]?.string {
    case "before", nil: return .beforeHead
    case "head": return .withinHead
    case "body": return .withinBody
    case let other?: throw .invalid("at must be before, head or body, not \(other)")
    }
  }

  private static func answer(_ order: JSONValue) throws(ControlError) -> SandboxResponse {
    guard let status = order["status"]?.integer, (200...599).contains(status) else {
      throw .invalid("status must be 200 to 599")
    }
    var headers: HTTPHeaders = [
      "content-type": order["content_type"]?.string ?? "application/json"
    ]
    for member in order["headers"]?.members ?? [] {
      headers.replaceOrAdd(name: member.name, value: member.value.filterText)
    }
    let body: [UInt8] =
      switch order["body"] {
      case nil: []
      case .string(let text): Array(text.utf8)
      case let document?: document.encoded()
      }
    return SandboxResponse(
      status: .init(statusCode: Int(status)), headers: headers, body: ByteBuffer(bytes: body))
  }

  private static func tooManyRequests(_ order: JSONValue) -> SandboxResponse {
    var response = APIFailure.tooManyRequests.response(version: .v3)
    guard order["rate_limit_headers"]?.bool ?? true else { return response }
    let reset = order["reset_ms"]?.integer ?? 30_000
    QuotaView(limit: 150, left: 0, resetMilliseconds: reset, windowMilliseconds: 30_000)
      .add(to: &response.headers)
    response.headers.add(name: "x-retry-after", value: String((reset + 999) / 1000))
    return response
  }
}
