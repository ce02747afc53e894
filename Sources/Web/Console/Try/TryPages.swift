import Base
import BigCommerce
import Fields
import HTTPTypes

/// A client for one store: what the gateway would decide about a call, and what comes of it.
enum TryPages {
  static let section = ConsoleSection(
    title: "Try it", path: "try", ability: .proxy,
    routes: [
      ConsoleRoute(.get, "try", ability: .proxy) { request throws(Problem) in
        page(TriedCall(request.query), [:])
      },
      ConsoleRoute(.post, "try", ability: .proxy) { request throws(Problem) in
        try await answer(request)
      },
    ])

  private static func page(_ call: TriedCall, _ values: PageValues) -> ConsoleAnswer {
    .page(ConsolePage("try", title: "Try it", call.values.merging(values) { $1 }))
  }

  private static func answer(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let call = TriedCall(request.form)
    if let fault = call.fault { return page(call, ["fault": fault]) }
    let method = HTTPRequest.Method(rawValue: call.method) ?? .get
    let told = await request.calls.send(
      method, call.target, call.headers(isDryRun: true), body: call.sent)
    let decision = TryDecision(told)
    var values: PageValues = ["decision": decision.values]
    guard request.form["step"] == "send" else { return page(call, values) }
    if call.isWrite {
      // What is refused anyway is not asked about.
      if decision.isRefused { return page(call, values) }
      guard request.form["confirmed"] == "yes" else { return question(call).answer }
      try await request.record(
        "store_call",
        [
          .init("store_hash", .string(call.store)), .init("method", .string(call.method)),
          .init("path", .string(String(call.path.prefix { $0 != "?" }))),
        ])
    }
    let reply = await request.calls.send(
      method, call.target, call.headers(isDryRun: false), body: call.sent)
    values["answer"] = TryAnswer.values(reply)
    return page(call, values)
  }

  private static func question(_ call: TriedCall) -> ConsoleQuestion {
    ConsoleQuestion(
      title: "Send \(call.method) to store \(call.store)?",
      text: "\(call.method) \(call.path) may change the store. It is sent at once.",
      action: "/console/try", button: "Send it", isDanger: true,
      back: ConsoleLink.make(
        "/console/try", call.fields.filter { $0.0 != "body" && !$0.1.isEmpty }),
      fields: call.fields + [("step", "send"), ("confirmed", "yes")])
  }
}

/// What the gateway says it would decide.
struct TryDecision: Sendable {
  private let document: JSONValue
  private let isProblem: Bool

  init(_ reply: ConsoleCalls.Reply) {
    document = (try? JSONScanner.parse(reply.body)) ?? .null
    isProblem = reply.status >= 400
  }

  /// A call that is not understood is refused before there is a decision.
  private var refusal: JSONValue? {
    if isProblem { return document }
    guard let refusal = document["refusal"], refusal != .null else { return nil }
    return refusal
  }

  var isRefused: Bool { refusal != nil }

  var values: PageValues {
    let scopes = ConsoleWords.texts(document["rule"]?["scopes_any_of"])
    let wait = document["quota"]?["wait_ms"]?.integer ?? 0
    var values: PageValues = [
      "verdict": isRefused ? "refused" : wait > 0 ? "sent after a wait" : "sent",
      "verdictTone": isRefused ? "bad" : wait > 0 ? "warn" : "good",
      "scopes": scopes, "hasScopes": !scopes.isEmpty,
    ]
    if let refusal {
      values["refusal"] =
        [
          "refusalStatus": refusal["status"]?.integer.map { "\($0)" } ?? "",
          "refusalCode": refusal["code"]?.string ?? "",
          "refusalTitle": refusal["title"]?.string ?? "Refused",
          "refusalDetail": refusal["detail"]?.string ?? "",
        ] as PageValues
    }
    values["source"] = document["rule"]?["source"]?.string
    values["isEnforced"] = document["rule"]?["enforced"]?.bool
    values["needed"] = document["grant"]?["ability"]?.string
    values["storeState"] = document["store"]?["state"]?.string
    values["family"] = document["endpoint"]?["family"]?.string
    if let left = document["quota"]?["remaining"]?.integer {
      values["left"] = ConsoleWords.count(left)
    }
    if wait > 0 { values["wait"] = ChartNumber.seconds(Double(wait) / 1000) }
    return values
  }
}

/// What came back from the store, or from the gateway in its place.
enum TryAnswer {
  static func values(_ reply: ConsoleCalls.Reply) -> PageValues {
    let origin = reply.headers[.latchkeyOrigin]
    var values: PageValues = [
      "answerStatus": reply.status,
      "answerTone": reply.status < 300 ? "good" : reply.status < 400 ? "" : "bad",
      "speaker": origin == "gateway" ? "Latchkey" : "BigCommerce",
      "headers": reply.headers.pairs.map { field in
        ["headerName": field.name, "headerValue": field.value] as PageValues
      },
      "bodyBytes": ConsoleWords.count(Int64(reply.body.count)), "isCut": reply.isCut,
      "isBroken": reply.isBroken, "isEmpty": reply.body.isEmpty,
    ]
    if let text = String(validating: cleanEnd(reply), as: UTF8.self) {
      values["answerBody"] = reply.isCut || reply.isBroken ? text : ConsoleJSON.text(ofBody: text)
    } else {
      values["isBinary"] = true
    }
    return values
  }

  /// Without a character that the cut has split.
  private static func cleanEnd(_ reply: ConsoleCalls.Reply) -> [UInt8] {
    guard reply.isCut, let start = reply.body.lastIndex(where: { $0 & 0xC0 != 0x80 }),
      reply.body[start] >= 0xC0
    else { return reply.body }
    return Array(reply.body[..<start])
  }
}
