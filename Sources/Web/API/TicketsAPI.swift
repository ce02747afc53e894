import Base
import BigCommerce
import HTTPTypes
import Postgres
package import Storage
import Vault

/// `/v1/tickets/redeem`: an internal service learns which merchant came with a ticket.
package struct TicketsAPI: Sendable {
  private let tickets: TicketRedemption

  package init(tickets: TicketRedemption) {
    self.tickets = tickets
  }

  package var routes: [APIRoute] {
    [
      APIRoute(.redeemTicket) { request throws(Problem) in try await redeem(request) }
    ]
  }

  private func redeem(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let body = try request.object()
    let text = try body.text("ticket")
    guard let digest = Ticket.parse(text) else { throw .ticketNotValid }
    let redeemed = try await stored { () throws(PostgresError) in
      try await tickets.redeem(
        sha256: digest.bytes, app: request.caller.grant.app, stores: request.caller.grant.stores)
    }
    guard let redeemed else { throw .ticketNotValid }
    return APIAnswer([
      "store_hash": .string(redeemed.installation.store.text),
      "app": .string(redeemed.installation.app.text),
      "user": [
        "id": redeemed.userID.map { .integer($0) } ?? .null,
        "email": redeemed.email.map { .string($0) } ?? .null,
        "locale": redeemed.locale.map { .string($0) } ?? .null,
        "is_owner": .bool(redeemed.isOwner),
      ],
      "channel_id": redeemed.channelID.map { .integer($0) } ?? .null,
      "url": redeemed.deepLink.map { .string($0) } ?? .null,
    ])
  }
}

extension Problem {
  /// 404 for all that is wrong with a ticket: nobody can tell the cases apart.
  fileprivate static let ticketNotValid = Problem(
    status: 404, code: "ticket_not_valid", title: "Ticket not valid",
    detail:
      "The ticket is unknown, spent, older than 60 seconds, or not this key's. Let the merchant open the app again."
  )
}
