import ArgumentParser
import Base
import Linux
import Testing

@testable import LatchkeyApp
@testable import LatchkeyCLI

@Suite struct `Arguments` {
  @Test(arguments: [("90d", 7_776_000), ("12h", 43200), ("5m", 300), ("0s", 0)])
  func `lengths of time have a unit`(text: String, seconds: Int64) {
    #expect(TimeSpan(argument: text)?.seconds == seconds)
  }

  @Test(arguments: ["", "d", "5", "-5d", "1.5h", "5w", "99999999999d", "٣d"])
  func `anything else is no length of time`(text: String) {
    #expect(TimeSpan(argument: text) == nil)
  }

  @Test func `a key is asked for with just what was given`() throws {
    let parsed = try LatchkeyCommand.parseAsRoot([
      "keys", "create", "--name", "sync", "--store", "*", "--scope", "store_v2_products",
      "--ability", "proxy", "--ability", "keys", "--expires-in", "1h",
    ])
    let create = try #require(parsed as? Keys.Create)
    #expect(
      create.request.text
        == #"{"name":"sync","stores":["*"],"scopes":["store_v2_products"],"abilities":["proxy","keys"],"expires_in":3600}"#
    )
  }

  @Test func `a path for the gateway keeps its query, with or without a leading slash`() throws {
    for path in ["v3/x?a=1&b=%2F", "/v3/x?a=1&b=%2F"] {
      let parsed = try LatchkeyCommand.parseAsRoot(["api", "get", path, "--store", "abc123"])
      let get = try #require(parsed as? API.Get)
      #expect(get.call.target == "/stores/abc123/v3/x?a=1&b=%2F")
    }
  }

  @Test func `query values are encoded, and absent ones left out`() {
    #expect(
      APIPath.target("/v1/stores", [("q", "a b&c"), ("app", nil)]) == "/v1/stores?q=a%20b%26c")
    #expect(APIPath.target("/v1/keys", [("app", nil)]) == "/v1/keys")
  }

  @Test(arguments: [
    [], ["--help"], ["help", "stores"], ["stores"], ["keys", "create", "--help"],
    ["--generate-completion-script", "bash"],
  ])
  func `help and completions are no failure`(arguments: [String]) async {
    let console = TestConsole()
    #expect(await console.run(arguments) == .ok)
    #expect(!console.output.isEmpty)
    #expect(console.errors == "")
  }

  @Test(arguments: [
    ["nothing"], ["stores", "show"], ["stores", "show", "NOT A HASH"],
    ["stores", "list", "--nope"],
    ["keys", "create", "--name", "x"], ["keys", "create", "--bootstrap"],
    ["keys", "create", "--bootstrap", "--name", "x", "--store", "*"],
    ["keys", "revoke", "lk_abc_def_ghi", "--yes"], ["api", "get", "v3/x"],
  ])
  func `a wrong call exits 2 and says why on standard error`(arguments: [String]) async {
    let console = TestConsole()
    #expect(await console.run(arguments) == .usage)
    #expect(!console.errors.isEmpty)
    #expect(console.output == "")
  }

  @Test func `tokens are not taken from arguments`() async {
    let console = TestConsole()
    #expect(await console.run(["stores", "import", "--access-token", "x", "f"]) == .usage)
  }

  @Test func `wrong settings are reported together, with status 2`() async {
    let console = TestConsole()
    let wrong = [
      "DATABASE_URL": "", "LATCHKEY_DATABASE_CONNECTIONS": "many", "LATCHKEY_LOG_LEVL": "info",
    ]
    #expect(await console.run(["migrate"], wrong) == .usage)
    for name in wrong.keys { #expect(console.errors.contains(name)) }
    #expect(await console.run(["serve"], wrong) == .usage)
    #expect(console.errors.contains("APP_ORIGIN"))
    #expect(await console.run(["doctor", "--json"], wrong) == .usage)
    #expect(console.output.contains("LATCHKEY_LOG_LEVL"))
  }

  @Test func `a missing key and a wrong address are reported together`() async {
    let console = TestConsole()
    let status = await console.run(["stores", "list"], ["LATCHKEY_URL": "http://example.com"])
    #expect(status == .usage)
    #expect(console.errors.contains("LATCHKEY_URL"))
    #expect(console.errors.contains("LATCHKEY_KEY"))
  }

  @Test func `a PEM file that is missing or alone is named before anything is sent`() async {
    let console = TestConsole()
    let status = await console.run(
      ["stores", "list"],
      [
        "LATCHKEY_URL": "https://127.0.0.1:1", "LATCHKEY_KEY": "lk_test",
        "LATCHKEY_CA_FILE": "/nonexistent/ca.pem", "LATCHKEY_CLIENT_CERT": "/etc/hostname",
      ])
    #expect(status == .usage)
    #expect(console.errors.contains("LATCHKEY_CA_FILE: open /nonexistent/ca.pem"))
    #expect(console.errors.contains("LATCHKEY_CLIENT_KEY: is needed with LATCHKEY_CLIENT_CERT"))
  }

  @Test func `a closed standard output ends quietly`() async {
    let console = TestConsole()
    #expect(await console.run(["--help"], isOutputClosed: true) == .ok)
    #expect(console.errors == "")
    #expect(FailureReport(StandardStream.Failure.closed) == nil)
  }

  @Test func `errors have words and a status`() throws {
    let settings = try #require(FailureReport(SettingsProblems([.init("A", "is wrong")])))
    #expect(settings.status == .usage)
    let problem =
      #"{"title":"Not found","detail":"No\u001b store.","code":"not_found","request_id":"r1"}"#
    let failure = APIFailure(status: 404, body: Array(problem.utf8), requestID: nil)
    let report = try #require(FailureReport(failure))
    #expect(report.status == .failure)
    #expect(
      report.text
        == "Not found (404)\nNo\u{FFFD} store.\ncode: not_found\nrequest id: r1")
    let strange = APIFailure(status: 502, body: Array("<html>".utf8), requestID: "r2")
    #expect(strange.text == "The service answered 502 (502)\nrequest id: r2")
  }
}

@Suite struct `Splitting an import` {
  @Test func `500 lines go into one call, empty lines into none, and numbers are the file's`() {
    let lines = (1...1201).map { $0 == 3 ? "" : "{\"n\":\($0)}" }
    let batches = ImportBatch.split(Array(lines.joined(separator: "\r\n").utf8))
    #expect(batches.map(\.lineNumbers.count) == [500, 500, 200])
    #expect(batches[0].lineNumbers.prefix(3) == [1, 2, 4])
    let answered: [JSONValue] = [["line": 3, "result": "imported"]]
    #expect(batches[0].renumbered(answered)[0]["line"]?.integer == 4)
    #expect(batches[2].renumbered(answered)[0]["line"]?.integer == 1004)
  }

  @Test func `long lines make shorter calls`() {
    let line = String(repeating: "x", count: 4 << 20)
    let batches = ImportBatch.split(Array("\(line)\n\(line)\n".utf8))
    #expect(batches.map(\.lineNumbers) == [[1], [2]])
    #expect(ImportBatch.split(Array(" \n\n".utf8)).isEmpty)
  }
}
