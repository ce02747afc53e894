import Base
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import LatchkeyCLI

/// What a stub of the service was asked.
struct Asked: Equatable, Sendable {
  let line: String
  let body: String
}

/// A service that gives prepared answers, in order of the request lines that they are for.
final class StubService: Sendable {
  private let asked = Mutex<[Asked]>([])
  private let answers: [String: (status: String, body: String, headers: [String])]

  init(_ answers: [String: (status: String, body: String, headers: [String])]) {
    self.answers = answers
  }

  /// Answers 200 with those bodies.
  convenience init(_ bodies: [String: String]) {
    self.init(bodies.mapValues { ("200 OK", $0, []) })
  }

  var requests: [Asked] { asked.withLock { $0 } }
  var lines: [String] { requests.map(\.line) }

  /// Runs the program against this service.
  func run(
    _ arguments: [String], on console: TestConsole, input: String = "", answer: String? = nil
  ) async throws -> ExitStatus {
    try await MisbehavingServer.run { connection in
      while true { try await self.serve(connection) }
    } body: { server in
      await console.run(
        arguments,
        ["LATCHKEY_URL": "http://127.0.0.1:\(server.port)", "LATCHKEY_KEY": "lk_test"],
        input: input, answer: answer)
    }
  }

  private func serve(_ connection: MisbehavingConnection) async throws {
    let head = try await connection.readHead()
    let lines = head.split(separator: "\r\n")
    let line = lines[0].split(separator: " ").prefix(2).joined(separator: " ")
    let length = lines.first { $0.lowercased().hasPrefix("content-length:") }
      .flatMap { Int($0.split(separator: " ").last ?? "") }
    let body = String(buffer: try await connection.read(length ?? 0))
    asked.withLock { $0.append(Asked(line: line, body: body)) }
    guard head.contains("uthorization: Bearer lk_test\r\n"), let answer = answers[line] else {
      let problem = #"{"title":"Not found","detail":"No \#(line).","code":"not_found"}"#
      return try await connection.answer(
        "404 Not Found", problem, headers: ["X-Request-Id: req-404"])
    }
    try await connection.answer(answer.status, answer.body, headers: answer.headers)
  }
}

@Suite struct `Commands against the API` {
  private static let store = #"{"store_hash":"abc","app":"default","state":"active","users":[]}"#
  private static let keys = #"{"data":[{"id":"k1","name":"sync"}],"next":null}"#

  @Test func `a list is followed to its end`() async throws {
    let service = StubService([
      "GET /v1/stores?state=active&limit=1000": #"{"data":[{"store_hash":"a"}],"next":"c/1"}"#,
      "GET /v1/stores?state=active&limit=1000&after=c%2F1":
        #"{"data":[{"store_hash":"b"}],"next":null}"#,
    ])
    let console = TestConsole()
    let arguments = ["stores", "list", "--state", "active"]
    #expect(try await service.run(arguments, on: console) == .ok)
    let rows = console.output.split(separator: "\n").map { $0.split(separator: " ").first ?? "" }
    #expect(rows == ["STORE", "a", "b"])
    #expect(console.errors == "")

    let json = TestConsole()
    #expect(try await service.run(arguments + ["--json"], on: json) == .ok)
    let document = try JSONScanner.parse(Array(json.output.utf8))
    #expect(document.text == #"{"data":[{"store_hash":"a"},{"store_hash":"b"}],"next":null}"#)
  }

  @Test func `a list that never ends is a failure`() async throws {
    let page = #"{"data":[],"next":"x"}"#
    let service = StubService([
      "GET /v1/keys?limit=1000": page, "GET /v1/keys?limit=1000&after=x": page,
    ])
    let console = TestConsole()
    #expect(try await service.run(["keys", "list"], on: console) == .failure)
    #expect(service.requests.count == 2)
  }

  @Test func `a problem of the API comes with its code and request id`() async throws {
    let service = StubService([String: String]())
    let console = TestConsole()
    #expect(try await service.run(["stores", "show", "abc"], on: console) == .failure)
    #expect(
      console.errors == """
        latchkey: Not found (404)
        No GET /v1/stores/abc.
        code: not_found
        request id: req-404

        """)
    #expect(console.output == "")
  }

  @Test func `nobody answering is said in words`() async throws {
    let console = TestConsole()
    let status = await console.run(
      ["keys", "list"], ["LATCHKEY_URL": "http://127.0.0.1:1", "LATCHKEY_KEY": "lk_test"])
    #expect(status == .failure)
    #expect(console.errors.contains("Nothing answers at http://127.0.0.1:1"))
    #expect(!console.errors.contains("lk_test"))
  }

  @Test(arguments: [
    ["stores", "suspend", "abc"], ["stores", "delete", "abc", "--purge"], ["keys", "revoke", "k1"],
    ["keys", "rotate", "k1"], ["api", "delete", "v3/x", "--store", "abc"], ["vault", "rewrap"],
  ])
  func `without a terminal nothing is changed, nor even asked`(arguments: [String]) async throws {
    let service = StubService([String: String]())
    let console = TestConsole()
    #expect(try await service.run(arguments, on: console) == .usage)
    #expect(service.requests.isEmpty)
    #expect(console.errors.contains("--yes"))
  }

  @Test(arguments: [(["--dry-run"], nil), ([], "n"), ([], ""), (["--dry-run", "--yes"], "y")])
  func `a dry run and a no only look`(options: [String], answer: String?) async throws {
    let service = StubService([
      "GET /v1/stores/abc": Self.store, "GET /v1/keys?limit=1000": Self.keys,
    ])
    for arguments in [["stores", "suspend", "abc"], ["keys", "rotate", "k1"]] {
      let console = TestConsole()
      let status = try await service.run(arguments + options, on: console, answer: answer)
      #expect(status == (options.isEmpty ? .failure : .ok))
      #expect((console.output + console.errors).contains("Nothing was changed"))
    }
    #expect(service.lines == ["GET /v1/stores/abc", "GET /v1/keys?limit=1000"])
  }

  @Test(arguments: [(["--yes"], nil), ([], "y")])
  func `a yes does it`(options: [String], answer: String?) async throws {
    let service = StubService([
      "GET /v1/stores/abc?app=shop": Self.store,
      "DELETE /v1/stores/abc?purge=true&app=shop": Self.store,
      "GET /v1/keys?limit=1000": Self.keys, "DELETE /v1/keys/k1": "",
      "POST /v1/keys/k1/rotate": #"{"id":"k2","key":"lk_k2_s_c","name":"sync"}"#,
    ])
    let console = TestConsole()
    for arguments in [
      ["stores", "delete", "abc", "--purge", "--app", "shop"], ["keys", "revoke", "k1"],
      ["keys", "rotate", "k1", "--overlap", "10m"],
    ] {
      #expect(try await service.run(arguments + options, on: console, answer: answer) == .ok)
    }
    let changes = service.requests.filter { !$0.line.hasPrefix("GET") }
    #expect(
      changes == [
        Asked(line: "DELETE /v1/stores/abc?purge=true&app=shop", body: ""),
        Asked(line: "DELETE /v1/keys/k1", body: ""),
        Asked(line: "POST /v1/keys/k1/rotate", body: #"{"overlap":600}"#),
      ])
    #expect(console.output.contains("key   lk_k2_s_c\nid    k2\nname  sync\n"))
  }

  @Test func `an import counts, lists what was refused, and fails then`() async throws {
    let answer = #"""
      {"data":[{"line":1,"store_hash":"a","result":"imported"},
      {"line":2,"store_hash":"b","result":"refused","code":"token_refused","detail":"No."}]}
      """#
    let service = StubService(["POST /v1/stores/import?dry_run=true": answer])
    let console = TestConsole()
    let input = "{\"store_hash\":\"a\",\"access_token\":\"s3cret\"}\n\n{\"store_hash\":\"b\"}"
    let arguments = ["stores", "import", "-", "--dry-run"]
    #expect(try await service.run(arguments, on: console, input: input) == .failure)
    #expect(
      console.output == """
        LINE  STORE  CODE           DETAIL
        3     b      token_refused  No.

        1 would be imported, 1 refused.

        """)
    #expect(service.requests.map(\.body) == [input.replacing("\n\n", with: "\n") + "\n"])
    #expect(!(console.output + console.errors).contains("s3cret"))
  }

  @Test func `an import that breaks off says from which line`() async throws {
    let service = StubService([String: String]())
    let console = TestConsole()
    let input = (1...3).map { "\n{\"n\":\($0)}" }.joined(separator: "\n")
    #expect(
      try await service.run(["stores", "import", "-"], on: console, input: input) == .failure)
    #expect(console.errors.contains("line 2 "))
    #expect(console.errors.contains("not_found"))
  }

  @Test func `a store is shown with what its API has left and its last call`() async throws {
    let service = StubService([
      "GET /v1/stores/abc": #"""
      {"store_hash":"abc","owner_id":null,"quota":{"remaining":149,"limit":150,"window_ms":null},
      "last_call_at":"2026-11-21T01:02:03.456Z","last_status":200,"users":[]}
      """#
    ])
    let console = TestConsole()
    #expect(try await service.run(["stores", "show", "abc"], on: console) == .ok)
    #expect(
      console.output == """
        store_hash       abc
        owner_id         -
        quota.remaining  149
        quota.limit      150
        quota.window_ms  -
        last_call_at     2026-11-21T01:02:03.456Z
        last_status      200

        """)
  }

  @Test func `labels are added and removed in one call`() async throws {
    let service = StubService(["PATCH /v1/stores/abc?app=shop": Self.store])
    let arguments = ["stores", "label", "abc", "--app", "shop"]
    let console = TestConsole()
    let options = ["--add", "vip", "--add", "eu", "--remove", "trial"]
    #expect(try await service.run(arguments + options, on: console) == .ok)
    #expect(
      service.requests == [
        Asked(
          line: "PATCH /v1/stores/abc?app=shop",
          body: #"{"add_labels":["vip","eu"],"remove_labels":["trial"]}"#)
      ])
    for wrong in [[], ["--add", "VIP"], ["--add", "a", "--remove", "a"]] {
      #expect(try await service.run(arguments + wrong, on: TestConsole()) == .usage)
    }
    #expect(service.requests.count == 1)
  }

  @Test func `verify exits 3 unless BigCommerce accepts the token`() async throws {
    for (verdict, expected) in [("accepted", ExitStatus.ok), ("refused", .unhealthy)] {
      let service = StubService([
        "POST /v1/stores/abc/verify": #"{"verdict":"\#(verdict)","store_hash":"abc"}"#
      ])
      #expect(
        try await service.run(["stores", "verify", "abc"], on: TestConsole()) == expected)
    }
  }

  @Test func `api passes bytes on, and tells whose refusal it is`() async throws {
    let upstream = ["Latchkey-Origin: upstream"]
    let service = StubService([
      "GET /stores/abc/v3/ok?a=%2F": ("200 OK", #"{ "data" : 1 }"#, upstream),
      "POST /stores/abc/graphql": ("422 Unprocessable", #"{"title":"bad"}"#, upstream),
    ])
    let console = TestConsole()
    let get = ["api", "get", "/v3/ok?a=%2F", "--store", "abc"]
    #expect(try await service.run(get, on: console) == .ok)
    #expect(console.output == #"{ "data" : 1 }"#)

    let post = ["api", "post", "graphql", "--store", "abc", "--data", "-"]
    let failed = TestConsole()
    #expect(try await service.run(post, on: failed, input: "{}") == .failure)
    #expect(failed.output == #"{"title":"bad"}"#)
    #expect(failed.errors == "latchkey: BigCommerce answered 422.\n")
    #expect(service.requests.last == Asked(line: "POST /stores/abc/graphql", body: "{}"))

    let refused = TestConsole()
    let none = ["api", "get", "v3/none", "--store", "abc"]
    #expect(try await service.run(none, on: refused) == .failure)
    #expect(refused.output == "")
    #expect(refused.errors.contains("request id: req-404"))
  }
}
