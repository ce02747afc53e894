import Base
import BigCommerce
import Curl
import Storage
import TestSupport
import Testing

@testable import Events

@Suite struct `One push` {
  private let key = WebhookKey(bytes: Secret(Array(0..<32)))

  private func send(
    to url: String? = nil, _ reply: Subscriber.Reply, reach: OutboundPolicy.Reach = .loopback,
    within timeout: Duration = .seconds(10)
  ) async throws -> PushAnswer? {
    let subscriber = Subscriber()
    subscriber.reply(usual: reply)
    return try await MisbehavingServer.run(script: { try await subscriber.serve($0) }) { server in
      let curl = try CurlClient(reactor: TestCluster.reactor, settings: CurlSettings())
      let client = PushClient(
        client: curl, policy: OutboundPolicy(reach: reach), userAgent: "test",
        timeout: timeout)
      let answer = await client.send(
        to: url?.replacing("PORT", with: "\(server.port)") ?? "http://127.0.0.1:\(server.port)/",
        id: "evt_1", body: Array("{}".utf8), keys: [key])
      await curl.shutdown()
      if answer?.attempt.failure == "address_refused" { #expect(server.connectionCount == 0) }
      return answer
    }
  }

  @Test(arguments: [
    ("204 No Content", PushAnswer.Verdict.accepted, nil), ("299 Odd", .accepted, nil),
    ("301 Moved", .refused, "redirect"), ("404 Not Found", .refused, "status"),
    ("410 Gone", .gone, "gone"), ("500 Oops", .refused, "status"),
  ])
  func `an answer is judged by its status`(
    _ status: String, _ verdict: PushAnswer.Verdict, _ failure: String?
  ) async throws {
    let answer = try #require(
      try await send(.answer(status, headers: ["Location: http://127.0.0.1:1/"])))
    #expect(answer.verdict == verdict)
    #expect(answer.attempt.failure == failure)
    #expect(answer.attempt.status == Int(status.prefix(3)))
  }

  @Test func `silence ends with the time for an attempt, and so does a body that never ends`()
    async throws
  {
    let silent = try #require(try await send(.silence, within: .milliseconds(300)))
    #expect(silent.attempt.failure == "timeout")
    #expect(silent.attempt.status == nil)
    let endless = try #require(
      try await send(
        .unfinished("HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\nbeginning"),
        within: .seconds(2)))
    #expect(endless.verdict == .accepted, "what the status said stands")
    #expect(endless.attempt.answer == "beginning")
  }

  @Test func `of a long answer the beginning is kept`() async throws {
    let long = String(repeating: "é\u{7}", count: 100_000)
    let answer = try #require(try await send(.answer("200 OK", body: long)))
    #expect(answer.verdict == .accepted)
    #expect(answer.attempt.answer.hasPrefix("éé"))
    #expect((1000...2100).contains(answer.attempt.answer.utf8.count))
  }

  @Test(arguments: [
    ("https://localhost:PORT/", OutboundPolicy.Reach.off), ("http://127.0.0.1:PORT/", .off),
    ("https://2130706433:PORT/", .on), ("https://169.254.169.254/", .on),
    ("https://[::ffff:127.0.0.1]:PORT/", .on), ("https://10.0.0.1/", .loopback),
  ])
  func `what the policy does not allow gets no connection, whatever is stored`(
    _ url: String, _ reach: OutboundPolicy.Reach
  ) async throws {
    let answer = try #require(try await send(to: url, .answer("200 OK"), reach: reach))
    #expect(answer.verdict == .refused)
    #expect(["address_refused", "bad_url"].contains(answer.attempt.failure))
  }

  @Test(arguments: [
    ("Retry-After: 7", Duration.seconds(7)), ("Retry-After: -1", nil), ("Retry-After: soon", nil),
    ("Retry-After: Thu, 01 Jan 1970 00:00:00 GMT", .zero), ("X: y", nil),
    ("Retry-After: 5\r\nRetry-After: 86400", nil),
  ])
  func `Retry-After is read as seconds or a date`(_ header: String, _ wish: Duration?) async throws
  {
    #expect(
      try await send(.answer("429 Slow", headers: [header]))?.retryAfter == wish)
    #expect(try await send(.answer("500 Oops", headers: [header]))?.retryAfter == nil)
  }
}
