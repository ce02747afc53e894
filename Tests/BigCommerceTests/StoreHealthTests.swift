import BigCommerce
import Testing

@Suite struct `What an answer says of a store's health` {
  /// Every status of PLATFORM 5.4, and some that stand there for none.
  static let statuses: [(status: Int, health: StoreHealth, detail: HealthLook.Detail)] = [
    (200, .healthy, .accepted),
    (400, .network, .unexpectedAnswer), (401, .revoked, .tokenRefused),
    (402, .plan, .paymentRequired), (403, .scope, .forbidden),
    (404, .network, .unexpectedAnswer), (405, .network, .unexpectedAnswer),
    (406, .network, .unexpectedAnswer), (409, .network, .unexpectedAnswer),
    (413, .network, .unexpectedAnswer), (415, .network, .unexpectedAnswer),
    (422, .network, .unexpectedAnswer), (423, .network, .unexpectedAnswer),
    (429, .rate, .throttled), (499, .network, .unexpectedAnswer),
    (500, .network, .serverError), (501, .network, .serverError), (502, .network, .serverError),
    (503, .suspended, .storeUnavailable), (504, .network, .serverError),
    (507, .plan, .planLimit), (509, .rate, .throttled),
    (204, .network, .unexpectedAnswer), (302, .network, .unexpectedAnswer),
  ]

  @Test(arguments: statuses)
  func `each status of the platform has one meaning`(
    _ row: (status: Int, health: StoreHealth, detail: HealthLook.Detail)
  ) {
    #expect(
      HealthLook(status: row.status, hasRetryAfter: false) == HealthLook(row.health, row.detail))
  }

  @Test func `a 503 that says when to come again is the platform's, not the store's`() {
    #expect(HealthLook(status: 503, hasRetryAfter: true) == HealthLook(.network, .serverError))
    #expect(HealthLook(status: 429, hasRetryAfter: true) == HealthLook(.rate, .throttled))
  }
}
