import Base
import BigCommerce
import Events
import Synchronization
import TestSupport
import Testing

@testable import Web

@Suite struct `Webhook addresses` {
  private func head(_ target: String, _ more: String = "", length: Int) -> String {
    "POST \(target) HTTP/1.1\r\nHost: x\r\nContent-Length: \(length)\r\n\(more)\r\n"
  }

  @Test func `a delivery arrives byte for byte, with all that proves it`() async throws {
    let seen = Mutex<[WebhookRequest]>([])
    var fixture = ListenerFixture()
    fixture.deliveries = StubDeliveries { request in
      seen.withLock { $0.append(request) }
      return .taken
    }
    try await fixture.run { running in
      try await blocking {
        let answer = try RawConnection(port: running.publicPort).exchange(
          head(
            "/webhooks/default/abc234",
            "X-Latchkey-Webhook-Secret: s1\r\nwebhook-id: i\r\nwebhook-timestamp: 1\r\nWebhook-Signature: v1,x\r\n",
            length: 5) + "{\"a\" ")
        #expect(answer.status == 200 && answer.body.isEmpty)
        let other = try RawConnection(port: running.publicPort).exchange(
          head("/webhooks/default/abc234/exceptions", length: 0))
        #expect(other.status == 200)
      }
    }
    let requests = seen.withLock { $0 }
    #expect(requests.count == 2)
    #expect(requests[0].app == .default && requests[0].pathToken == "abc234")
    #expect(requests[0].body == Array("{\"a\" ".utf8))
    #expect(requests[0].secrets == ["s1"])
    #expect(requests[0].signature.ids == ["i"] && requests[0].signature.signatures == ["v1,x"])
    #expect(requests[1].pathToken == "abc234" && requests[1].secrets.isEmpty)
  }

  @Test func `the sender is told whether to come again, and not why`() async throws {
    let cases: [(answer: IntakeAnswer, status: Int)] = [
      (.taken, 200), (.unknownAddress, 404), (.forged("secret"), 401), (.unavailable, 503),
    ]
    for (answer, status) in cases {
      var fixture = ListenerFixture()
      fixture.deliveries = StubDeliveries { _ in answer }
      try await fixture.run { running in
        try await blocking {
          let reply = try RawConnection(port: running.publicPort).exchange(
            head("/webhooks/default/abc", length: 0))
          #expect(reply.status == status)
          #expect(!reply.text.contains("secret"))
        }
      }
    }
  }

  @Test func `what is no address, no POST or too large never gets to the intake`() async throws {
    let count = Atomic<Int>(0)
    var fixture = ListenerFixture()
    fixture.deliveries = StubDeliveries { _ in
      count.add(1, ordering: .relaxed)
      return .taken
    }
    try await fixture.run { running in
      try await blocking {
        for target in [
          "/webhooks", "/webhooks/", "/webhooks/default", "/webhooks/default/",
          "/webhooks/other/abc",
          "/webhooks/default/abc/", "/webhooks/default/abc/x", "/webhooks//abc",
          "/webhooks/DEFAULT/abc",
          "/webhooks/default/abc/exceptions/x",
          "/webhooks/default/" + String(repeating: "a", count: 65),
        ] {
          let answer = try RawConnection(port: running.publicPort).exchange(head(target, length: 0))
          #expect(answer.status == 404, "\(target)")
        }
        for method in ["GET", "PUT", "DELETE"] {
          let answer = try RawConnection(port: running.publicPort).exchange(
            "\(method) /webhooks/default/abc HTTP/1.1\r\nHost: x\r\n\r\n")
          #expect(answer.status == 405)
        }
        let large = try RawConnection(port: running.publicPort).exchange(
          head("/webhooks/default/abc", length: 64 * 1024 + 1))
        #expect(large.status == 413)
        let whole = try RawConnection(port: running.publicPort).exchange(
          head("/webhooks/default/abc", length: 64 * 1024)
            + String(repeating: "x", count: 64 * 1024))
        #expect(whole.status == 200)
      }
    }
    #expect(count.load(ordering: .relaxed) == 1)
  }

  @Test func `a body has five seconds`() async throws {
    var fixture = ListenerFixture()
    fixture.deliveries = StubDeliveries { _ in .taken }
    try await fixture.run { running in
      try await blocking {
        let connection = try RawConnection(port: running.publicPort)
        let began = ContinuousClock.now
        let answer = try connection.exchange(head("/webhooks/default/abc", length: 10) + "12345")
        #expect(answer.status == 408 && answer.closes)
        #expect((.seconds(4)..<(.seconds(9))).contains(ContinuousClock.now - began))
      }
    }
  }
}
