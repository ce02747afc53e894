import Base
import NIOCore
import Testing

@testable import Postgres

@Suite struct `Connection strings` {
  private static func endpoints(_ text: String) throws -> [String] {
    try ConnectionParameters(Secret(text)).endpoints.map { "\($0.host)|\($0.address)|\($0.port)" }
  }

  @Test(arguments: [
    ("postgresql://u:p@db.example.com/x", ["db.example.com||5432"]),
    ("postgres://db.example.com:6432/x", ["db.example.com||6432"]),
    ("host=a,b port=1,2 dbname=x", ["a||1", "b||2"]),
    ("host=a,b port=7 dbname=x", ["a||7", "b||7"]),
    ("postgresql://a:1,b:2/x?target_session_attrs=read-write", ["a||1", "b||2"]),
    ("postgresql:///x?host=/var/run/pg&port=7", ["/var/run/pg||7"]),
    ("postgresql://%2Fvar%2Frun%2Fpg/x", ["/var/run/pg||5432"]),
    ("postgresql://[::1]:5/x", ["::1||5"]),
    ("hostaddr=10.0.0.1 host=a dbname=x", ["a|10.0.0.1|5432"]),
    ("hostaddr=10.0.0.1,10.0.0.2 dbname=x", ["|10.0.0.1|5432", "|10.0.0.2|5432"]),
  ])
  func `hosts, addresses and ports are read from URIs and keywords`(
    _ text: String, _ expected: [String]
  ) throws {
    #expect(try Self.endpoints(text) == expected)
  }

  @Test(arguments: [
    "postgresql://user:hunter2@host:notaport:x/y?z", "host=a password='hunter2", "hunter2",
    "postgresql://u:hunter2@h/x?nosuch=1",
  ])
  func `a malformed string is refused without being quoted`(_ text: String) {
    let error = #expect(throws: InvalidConnectionString.malformed) {
      try DatabaseSettings(connectionString: Secret(text)).validate()
    }
    #expect(!String(describing: error).contains("hunter2"))
  }

  @Test func `numbers of hosts and ports must agree`() {
    #expect(throws: InvalidConnectionString.hostCount) {
      try Self.endpoints("host=a,b port=1,2,3")
    }
    #expect(throws: InvalidConnectionString.hostCount) {
      try Self.endpoints("host=a,b hostaddr=10.0.0.1")
    }
    #expect(throws: InvalidConnectionString.serviceFile) { try Self.endpoints("service=x") }
  }

  @Test func `settings and parameters never print the password`() throws {
    let text = "postgresql://user:hunter2@db.example.com/x"
    let settings = DatabaseSettings(connectionString: Secret(text))
    let parameters = try ConnectionParameters(Secret(text))
    for value in [settings, parameters] as [Any] {
      var dumped = ""
      dump(value, to: &dumped)
      for output in [dumped, "\(value)", String(reflecting: value)] {
        #expect(!output.contains("hunter2"))
      }
    }
  }

  @Test func `the user's own options win over ours, and time limits are ours`() throws {
    let text =
      "host=a dbname=x options='-c statement_timeout=7' connect_timeout=99 keepalives_idle=3"
    let parameters = try ConnectionParameters(Secret(text))
    let target = Target(endpoint: try #require(parameters.endpoints.first), address: "10.0.0.9")
    let keywords = Dictionary(
      uniqueKeysWithValues: parameters.keywords(
        for: target, settings: "-c statement_timeout=1", session: "any",
        fallback: ["keepalives_idle": "10", "gssencmode": "disable"]
      ).map { ($0.keyword, $0.value) })
    #expect(keywords["options"] == "-c statement_timeout=1 -c statement_timeout=7")
    #expect(keywords["hostaddr"] == "10.0.0.9")
    #expect(keywords["host"] == "a")
    #expect(keywords["connect_timeout"] == nil)
    #expect(keywords["keepalives_idle"] == "3")
    #expect(keywords["gssencmode"] == "disable")
  }

  @Test func `prefer-standby tries all hosts for a standby, and then all for any`() throws {
    let text = Secret("host=a,b target_session_attrs=prefer-standby")
    let knowledge = ConnectKnowledge(
      try ConnectionParameters(text), DatabaseSettings(connectionString: text))
    let steps = knowledge.steps(now: .now()).map { step in
      if case .resolve(let endpoint, let session) = step {
        "\(endpoint.host) \(session)"
      } else {
        ""
      }
    }
    #expect(steps == ["a standby", "b standby", "a any", "b any"])
  }

  @Test func `a host that did not answer is tried last for a while`() throws {
    let text = Secret("host=a,b")
    let knowledge = ConnectKnowledge(
      try ConnectionParameters(text), DatabaseSettings(connectionString: text))
    func order() -> [String] {
      knowledge.steps(now: .uptimeNanoseconds(40_000_000_000)).map { step in
        if case .resolve(let endpoint, _) = step { endpoint.host } else { "" }
      }
    }
    knowledge.didNotAnswer(
      knowledge.parameters.endpoints[0], now: .uptimeNanoseconds(20_000_000_000))
    #expect(order() == ["b", "a"])
    knowledge.didNotAnswer(knowledge.parameters.endpoints[0], now: .uptimeNanoseconds(1))
    #expect(order() == ["a", "b"])
  }
}
