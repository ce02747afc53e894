import Base
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Curl

@Suite struct `Addresses that may be connected to` {
  @Test func `each address is asked about, and a refused one gets no connection`() async throws {
    try await withClientAndServer(script: { connection in
      _ = try await connection.readHead()
      try await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }) { client, server in
      let asked = Mutex<[IPAddress]>([])
      let origin = try #require(Origin("http://localhost:\(server.port)"))
      var request = CurlRequest(origin: origin, target: "/")
      request.mayConnect = { address in
        asked.withLock { $0.append(address) }
        return false
      }
      let refused = request
      await #expect(throws: CurlError.addressRefused) { try await client.send(refused) }
      #expect(CurlError.addressRefused.wasSent == false)
      #expect(server.connectionCount == 0)
      let addresses = asked.withLock { $0 }
      #expect(addresses.contains { $0 == IPAddress("127.0.0.1") })
      #expect(addresses.allSatisfy { $0.isLoopback })
      request.mayConnect = { $0 == IPAddress("127.0.0.1") }
      #expect(try await client.send(request).status == 200)
    }
  }

  @Test func `a number that a C library reads as an address is judged by what it stands for`()
    async throws
  {
    try await withClient { client in
      for host in ["2130706433", "0x7f000001", "127.1"] {
        let origin = try #require(Origin("https://\(host):1"))
        var request = CurlRequest(origin: origin, target: "/")
        request.mayConnect = { !$0.isLoopback }
        let wanted = request
        await #expect(throws: CurlError.addressRefused, "\(host)") {
          try await client.send(wanted)
        }
      }
    }
  }
}
