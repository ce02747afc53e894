package import Base
import BigCommerce
import HTTPTypes
import Postgres
package import Storage

/// `/v1/deliveries`: the log of what BigCommerce delivered, and events made of it once more.
package struct DeliveriesAPI: Sendable {
  /// How long one call may look for deliveries that are rare before it says how far it has come.
  private static let lookFor = Duration.seconds(2)

  let log: DeliveryLog
  let clock: MonotonicClock

  package init(log: DeliveryLog, clock: MonotonicClock = .system) {
    self.log = log
    self.clock = clock
  }

  package var routes: [APIRoute] {
    [
      APIRoute(.listDeliveries) { request throws(Problem) in try await list(request) },
      APIRoute(.showDelivery) { request throws(Problem) in try await show(request) },
      // It writes to the feed of a store, which nothing less than an operator may.
      APIRoute(.replayDelivery) { request throws(Problem) in try await replay(request) },
    ]
  }

  private func list(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let filter = try request.deliveryFilter()
    let limit = try request.query.limit()
    var before = try request.query.after { (text) throws(Problem) in
      try NumberCursor(text, "d").number
    }
    let began = clock.now()
    var found: [DeliveryRecord] = []
    repeat {
      let page = try await stored { [before, room = limit - found.count] () throws(PostgresError) in
        try await log.read(before: before, filter, limit: room)
      }
      found += page.deliveries
      before = page.before
    } while before != nil && found.count < limit && clock.now() - began < Self.lookFor
    return .page(
      found.map { .object($0.members) }, next: before.map { NumberCursor(number: $0, "d").text })
  }

  private func show(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let (delivery, body) = try await find(request)
    let text = String(validating: body, as: UTF8.self)
    let shown = JSONValue.Member(
      text == nil ? "body_base64" : "body", .string(text ?? Base64.encode(body)))
    return APIAnswer(.object(delivery.members + [shown]))
  }

  private func replay(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let (delivery, body) = try await find(request)
    let content = try Delivery.Content(of: body, from: delivery)
    let event = try await stored { () throws(PostgresError) in
      try await log.replay(
        delivery, as: content,
        act: Act(actor: request.caller.keyID, requestID: request.requestID))
    }
    return APIAnswer(
      [
        "event_id": .string(event), "delivery_id": .string(String(delivery.id)),
        "type": .string(content.scope),
      ], status: 201)
  }

  /// The delivery that the path names; one outside the grant is as unknown as one that never was.
  private func find(
    _ request: APIRequest
  ) async throws(Problem) -> (delivery: DeliveryRecord, body: [UInt8]) {
    guard let id = Int64(request.arguments[0]), String(id) == request.arguments[0] else {
      throw .unknown("delivery")
    }
    let found = try await stored { () throws(PostgresError) in try await log.find(id) }
    guard let found, request.caller.mayName(found.delivery.installation) else {
      throw .unknown("delivery")
    }
    return found
  }
}

extension APIRequest {
  fileprivate func deliveryFilter() throws(Problem) -> DeliveryFilter {
    var filter = DeliveryFilter()
    (filter.app, filter.store) = try query.tenant(of: caller)
    filter.granted = caller.grant.stores
    filter.scopes = try query.patterns("scope")
    filter.status = try query.word("status", DeliveryFilter.Status.self)
    if let text = query["signature"] {
      guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
      else {
        throw .badRequest("The query parameter signature is a word such as valid or invalid.")
      }
      filter.signature = text
    }
    filter.since = try query.time("since")
    filter.until = try query.time("until")
    return filter
  }
}

extension DeliveryRecord {
  fileprivate var members: [JSONValue.Member] {
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      .init("id", .string(String(id))),
      .init("app", .string(installation.app.text)),
      .init("store_hash", .string(installation.store.text)),
      .init("received_at", .string(receivedAt.description)),
      .init("scope", text(scope)),
      .init("webhook_id", text(webhookID)),
      .init("signature", .string(signature)),
      .init("quarantine", text(quarantine)),
      .init("event_id", text(eventID)),
      .init("request_id", .string(requestID)),
      .init("repeats", repeats.map { .integer($0) } ?? .null),
      .init("bytes", .integer(bytes.bytes)),
    ]
  }
}

extension Delivery.Content {
  /// What the body of a delivery says.
  ///
  /// - Throws: 409 when it says nothing that could be an event of that store.
  fileprivate init(of body: [UInt8], from delivery: DeliveryRecord) throws(Problem) {
    let envelope: DeliveryEnvelope
    do throws(DeliveryEnvelopeFault) {
      envelope = try DeliveryEnvelope.parse(body)
    } catch {
      throw .unreadable(error)
    }
    guard envelope.store == delivery.installation.store else { throw .unreadable(.producer) }
    self.init(
      scope: envelope.scope, occurredAt: envelope.createdAt, data: envelope.data.text)
  }
}

extension Problem {
  fileprivate static func unreadable(_ fault: DeliveryEnvelopeFault) -> Problem {
    Problem(
      status: 409, code: "delivery_unreadable", title: "Delivery unreadable",
      detail:
        "No event can be made of this delivery: its body is not as it must be (\(fault.rawValue)). Nothing was changed.",
      fields: [.init("reason", .string(fault.rawValue))])
  }
}
