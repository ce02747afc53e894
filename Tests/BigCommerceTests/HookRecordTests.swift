import Base
import BigCommerce
import Testing

@Suite struct `What the platform says of webhooks` {
  private func parsed(_ text: String) throws -> JSONValue { try JSONScanner.parse(text) }

  private let hook = """
    {"id": 9007199254740995, "client_id": "c", "store_hash": "abc", "scope": "store/order/*",
     "destination": "https://a.example/x", "headers": {"X-A": "b"}, "is_active": false,
     "created_at": 1700000000, "updated_at": 1700000100, "events_history_enabled": true, "future": {}}
    """

  @Test(arguments: [true, false])
  func `is read wrapped and bare`(isWrapped: Bool) throws {
    let text = isWrapped ? "{\"data\": \(hook), \"meta\": {}}" : hook
    let read = try #require(HookRecord.one(parsed(text)))
    #expect(
      read
        == HookRecord(
          id: 9_007_199_254_740_995, clientID: "c", scope: "store/order/*",
          destination: "https://a.example/x", isActive: false, headers: [.init("X-A", "b")],
          createdAt: Timestamp(seconds: 1_700_000_000), updatedAt: Timestamp(seconds: 1_700_000_100)
        ))
  }

  @Test func `lists tell whether they go on`() throws {
    let wrapped =
      "{\"data\": [\(hook)], \"meta\": {\"pagination\": {\"current_page\": 1, \"total_pages\": 2}}}"
    #expect(try HookPage(parsed(wrapped), limit: 10)?.hasMore == true)
    #expect(try HookPage(parsed("[\(hook)]"), limit: 10)?.hasMore == false)
    #expect(try HookPage(parsed("[\(hook)]"), limit: 1)?.hasMore == true)
    #expect(try HookPage(parsed("{\"data\": []}"), limit: 1)?.hooks.isEmpty == true)
  }

  @Test(arguments: ["{}", "null", "{\"data\": {}}", "{\"data\": [{\"id\": 1}]}", "[1]"])
  func `that is no list of webhooks is not taken for one`(_ text: String) throws {
    #expect(try HookPage(parsed(text), limit: 10) == nil)
  }

  @Test(arguments: ["{}", "[]", "{\"id\": \"x\", \"scope\": \"a\", \"destination\": \"b\"}"])
  func `that lacks what a webhook must have is none`(_ text: String) throws {
    #expect(try HookRecord.one(parsed(text)) == nil)
  }

  @Test func `tells blocked domains and what it switched off`() throws {
    let text = """
      {"data": {"emails": ["a@b.c"], "hooks_list": [{"id": 1, "status": "deactivated"}, {"id": 2, "status": "active"},
        {"id": "3", "status": "deactivated"}, {"id": 4, "status": "inactive"}],
        "blocked_domains": [{"destination": "a.example", "time_left": 120,
          "reasons": [{"failure_description": "timeout", "count": 5, "timestamp": 1}, "other"]}, {"x": 1}]}}
      """
    let admin = try #require(HookAdmin(parsed(text)))
    #expect(admin.deactivated == [1, 3])
    #expect(
      admin.blockedDomains == [
        .init(destination: "a.example", timeLeft: .seconds(120), reasons: ["timeout", "other"])
      ])
    let (list, empty) = (try parsed("[]"), try parsed("{}"))
    #expect(HookAdmin(list) == nil)
    #expect(HookAdmin(empty) == HookAdmin())
  }
}
