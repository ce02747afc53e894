import Gateway
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Web

@Suite struct `Connections that have ended` {
  /// The connections that requests came over, as long as anybody else holds them.
  private final class Seen: Sendable {
    private struct Weak {
      weak var connection: Connection?
    }

    private let connections = Mutex<[Weak]>([])

    func add(_ connection: Connection?) {
      connections.withLock { $0.append(Weak(connection: connection)) }
    }

    var count: Int { connections.withLock { $0.count } }
    var alive: Int { connections.withLock { $0.count { $0.connection != nil } } }
  }

  /// How a client's last request ends.
  enum Ending: CaseIterable {
    case bodyNotWanted, bodyHalfSent, bodyRead, noBody
  }

  @Test(arguments: Ending.allCases)
  func `leave nothing in memory, however their last request ended`(_ ending: Ending) async throws {
    let seen = Seen()
    var fixture = ListenerFixture()
    fixture.hasLane = false
    fixture.gateway = StubGateway { request in
      seen.add(Connection.current)
      if ending == .bodyRead || ending == .bodyHalfSent {
        return await StubGateway.echo.answer(request)
      }
      return .text("refused", status: 429)
    }
    try await fixture.run { running in
      try await blocking {
        for _ in 0..<20 {
          let connection = try RawConnection(port: running.internalPort)
          connection.send("POST /stores/a/v3/x HTTP/1.1\r\nHost: x\r\n")
          switch ending {
          case .noBody: connection.send("Content-Length: 0\r\n\r\n")
          case .bodyHalfSent: connection.send("Content-Length: 9\r\n\r\n1234")
          case .bodyRead, .bodyNotWanted: connection.send("Content-Length: 4\r\n\r\n1234")
          }
          if ending != .bodyHalfSent {
            var rest: [UInt8] = []
            _ = try connection.response(rest: &rest)
          } else {
            try blockUntil { seen.count > 0 }
          }
        }
      }
      #expect(try await eventually { seen.count == 20 && seen.alive == 0 })
    }
  }
}
