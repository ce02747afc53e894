import Base
import BigCommerce
import HTTPTypes

extension Operation {
  static let redeemTicket = Operation(
    .post, "/v1/tickets/redeem", "redeemTicket", .tickets, "Tells who came with a ticket",
    "Once, within 60 seconds. Who waits longer lets the merchant open the app again.",
    access: .ability(.ticketsRedeem),
    body: .object(
      .object([
        Field(
          "ticket", .text(1...100, example: "lkt_…"), "What the browser brought as `?ticket=`.")
      ]), upTo: .kibibytes(4)),
    answers: [
      .ok(
        .object(
          "RedeemedTicket", "The merchant who came.",
          [
            Field("store_hash", .storeHash, "The store."),
            Field("app", .appName, "The app that was opened."),
            Field("user", ticketUser, "Who opened it."),
            Field(
              "channel_id", .integer.orNull, "The channel in which it was opened.", example: .null),
            Field("url", .text().orNull, "A relative deep link.", example: .null),
          ]), "Whom the ticket was made for.")
    ], problems: [.ticketNotValid])

  private static let ticketUser = Schema.object([
    Field("id", .integer.orNull, "BigCommerce's ID."),
    Field("email", .text(example: "jo@example.com").orNull, "The address."),
    Field("locale", .text(example: "en").orNull, "The language."),
    Field("is_owner", .flag, "Whether the store is theirs."),
  ])
}
