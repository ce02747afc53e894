import Base
import BigCommerce
import Events
import Storage
import Testing

@Suite struct `The registration of webhooks` {
  private func registration(
    _ scopes: [String], origin: String = "https://app.example.com", exceptions: String? = nil
  ) throws -> WebhookRegistration {
    WebhookRegistration(
      apps: [.init(name: .default, clientID: "c", scopes: scopes.compactMap { HookScope($0) })],
      origin: try #require(Origin(origin)), exceptionsOrigin: exceptions.flatMap { Origin($0) })
  }

  @Test(arguments: [
    ("store/order/created", true), ("store/order/message/created", true),
    ("store/hook/deliveryException", true), ("store/app/uninstalled", true),
    ("store/cart/created", false),
    ("order/created", false), ("", false), ("store/ORDER/created", false),
  ])
  func `wants what its scopes cover, in the platform's words`(
    _ scope: String, _ isWanted: Bool
  ) throws {
    #expect(try registration(["order/*"]).wants(.default, scope) == isWanted)
  }

  @Test func `wants nothing for an app without scopes, or one that is not there`() throws {
    let scope = "store/hook/deliveryException"
    #expect(try !registration([]).wants(.default, scope))
    let other = try #require(AppName("other"))
    #expect(try !registration(["order/*"]).wants(other, "store/order/created"))
  }

  @Test func `has another digest for whatever webhooks are made from`() throws {
    let all = [
      try registration(["order/*"]), try registration(["order/*", "cart/*"]),
      try registration(["order/*"], origin: "https://b.example.com"),
      try registration(["order/*"], exceptions: "https://b.example.com"), try registration([]),
    ]
    #expect(Set(all.map { $0.wishes[0].digest }).count == all.count)
    let same = try registration(["store/order/created", "order/*/"])
    #expect(same.wishes == all[0].wishes, "what is covered makes no difference")
    #expect(all[4].wishes[0].digest.isEmpty)
  }
}
