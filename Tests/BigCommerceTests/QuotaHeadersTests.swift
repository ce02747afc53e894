import BigCommerce
import Fields
import Testing

@Suite struct `Quota headers` {
  private func read(_ fields: [(String, String)]) throws -> QuotaHeaders {
    var headers = FieldSection()
    for (name, value) in fields {
      try #require(headers.append(name.utf8.span, value.utf8.span) != nil)
    }
    return QuotaHeaders(headers)
  }

  @Test func `the four documented headers are read in milliseconds and requests`() throws {
    let quota = try read([
      ("X-Rate-Limit-Time-Window-Ms", "30000"), ("x-rate-limit-time-reset-ms", "12345"),
      ("X-RATE-LIMIT-REQUESTS-QUOTA", "150"), ("X-Rate-Limit-Requests-Left", "149"),
      ("Content-Type", "application/json"),
    ])
    #expect(quota.window == .seconds(30))
    #expect(quota.reset == .milliseconds(12345))
    #expect(quota.quota == 150)
    #expect(quota.left == 149)
    #expect(quota.retryAfter == nil)
    #expect(!quota.isEmpty)
    #expect(quota.wait == .milliseconds(12345))
  }

  @Test func `an answer without them says nothing`() throws {
    let quota = try read([("Content-Type", "text/html"), ("X-Rate-Limit", "1")])
    #expect(quota.isEmpty)
    #expect(quota.wait == nil)
  }

  @Test func `the older names count in seconds, when the documented ones are absent`() throws {
    let old = try read([("X-Rate-Limit-Remaining", "7"), ("X-Rate-Limit-Reset", "5")])
    #expect(old.left == 7)
    #expect(old.reset == .seconds(5))
    let both = try read([
      ("X-Rate-Limit-Remaining", "7"), ("X-Rate-Limit-Reset", "5"),
      ("X-Rate-Limit-Requests-Left", "3"), ("X-Rate-Limit-Time-Reset-Ms", "400"),
    ])
    #expect(both.left == 3)
    #expect(both.reset == .milliseconds(400))
    let broken = try read([
      ("X-Rate-Limit-Remaining", "7"), ("X-Rate-Limit-Reset", "5"),
      ("X-Rate-Limit-Requests-Left", "many"), ("X-Rate-Limit-Time-Reset-Ms", "-1"),
    ])
    #expect(broken.left == nil)
    #expect(broken.reset == nil)
  }

  @Test(arguments: ["Retry-After", "X-Retry-After"])
  func `a time to wait in seconds is read`(_ name: String) throws {
    let quota = try read([(name, "17")])
    #expect(quota.retryAfter == .seconds(17))
    #expect(quota.wait == .seconds(17))
    #expect(try read([(name, "Sun, 06 Nov 1994 08:49:37 GMT")]).isEmpty)
  }

  @Test(arguments: [
    "", " ", "-1", "+1", "1.5", "1e3", "0x10", "60001", "999999999999999999999", "NaN", "1 2",
    "1,2",
    "１", "12345678901234567890",
  ])
  func `a reset that is no whole number of milliseconds up to a minute is not read`(
    _ value: String
  ) throws {
    #expect(try read([("X-Rate-Limit-Time-Reset-Ms", value)]).reset == nil)
  }

  @Test(arguments: [("0", 0), ("60000", 60_000), ("007", 7)])
  func `a reset within its range is read`(_ value: String, _ milliseconds: Int) throws {
    #expect(
      try read([("X-Rate-Limit-Time-Reset-Ms", value)]).reset == .milliseconds(milliseconds))
  }

  @Test func `a header that stands twice is not believed`() throws {
    let quota = try read([
      ("X-Rate-Limit-Requests-Left", "10"), ("x-rate-limit-requests-left", "0"),
      ("X-Rate-Limit-Requests-Quota", "5"), ("X-Rate-Limit-Requests-Quota", "5"),
    ])
    #expect(quota.left == nil)
    #expect(quota.quota == nil)
  }

  @Test func `ranges are bounded at both ends`() throws {
    #expect(try read([("X-Rate-Limit-Time-Window-Ms", "0")]).window == nil)
    #expect(try read([("X-Rate-Limit-Time-Window-Ms", "1")]).window == .milliseconds(1))
    #expect(try read([("X-Rate-Limit-Time-Window-Ms", "3600001")]).window == nil)
    #expect(try read([("X-Rate-Limit-Requests-Left", "0")]).left == 0)
    #expect(try read([("X-Rate-Limit-Requests-Left", "1000000001")]).left == nil)
    #expect(try read([("Retry-After", "3601")]).retryAfter == nil)
    #expect(try read([("X-Rate-Limit-Reset", "1795224000")]).reset == nil)
  }
}
