import ArgumentParser
import Base
import HTTPTypes
import Linux

/// `latchkey api`: calls to BigCommerce's API, through the service.
struct API: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "api",
    abstract: "Call a store's BigCommerce API with the token that the service keeps.",
    discussion: """
      The path is BigCommerce's own, without /stores/HASH:
        latchkey api get v3/catalog/products?limit=5 --store abc123
        latchkey api post graphql --store abc123 --data @query.json
      The answer's body goes to standard output. Exit status 1 when the answer is no success.
      """,
    subcommands: [Get.self, Post.self, Put.self, Delete.self])
}

extension API {
  /// `latchkey api get`.
  struct Get: Command {
    static let configuration = CommandConfiguration(abstract: "Read.")
    @OptionGroup var call: GatewayCall

    func run(on console: Console) async throws {
      try await call.run(.get, nil, on: console)
    }
  }

  /// `latchkey api post`.
  struct Post: Command {
    static let configuration = CommandConfiguration(abstract: "Create, or ask GraphQL.")
    @OptionGroup var call: GatewayCall
    @OptionGroup var data: DataOptions

    func run(on console: Console) async throws {
      try await call.run(.post, try data.bytes(console), on: console)
    }
  }

  /// `latchkey api put`.
  struct Put: Command {
    static let configuration = CommandConfiguration(abstract: "Change.")
    @OptionGroup var call: GatewayCall
    @OptionGroup var data: DataOptions

    func run(on console: Console) async throws {
      try await call.run(.put, try data.bytes(console), on: console)
    }
  }

  /// `latchkey api delete`.
  struct Delete: Command {
    static let configuration = CommandConfiguration(
      abstract: "Delete something in the store.")
    @OptionGroup var call: GatewayCall
    @OptionGroup var confirmation: ConfirmationOptions

    func run(on console: Console) async throws {
      let act = "delete \(call.path) in store \(call.store.text)"
      guard try confirmation.allow(act, on: console) else { return }
      try await call.run(.delete, nil, on: console)
    }
  }
}

/// The body of a call.
struct DataOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The JSON to send: the text itself, @FILE, or - for standard input.",
      valueName: "string|@file|-"))
  var data: String?

  func bytes(_ console: Console) throws(SystemError) -> [UInt8]? {
    guard let data else { return nil }
    if data == "-" { return try console.readInput(64 << 20) }
    guard data.hasPrefix("@") else { return Array(data.utf8) }
    return try console.content(of: String(data.dropFirst()), atMost: 64 << 20)
  }
}

/// A call to one store.
struct GatewayCall: ParsableArguments {
  @Argument(help: "BigCommerce's path, such as v3/catalog/products?limit=5.")
  var path: String
  @Option(name: .long, help: "The store hash.")
  var store: StoreHash
  @OptionGroup var app: AppOptions
  @Flag(name: .long, help: "Indent the answer's JSON. On a terminal this is done anyway.")
  var json = false

  /// Path and query at the gateway.
  var target: String {
    "/stores/\(store.text)/" + path.drop { $0 == "/" }
  }

  func run(_ method: HTTPRequest.Method, _ body: [UInt8]?, on console: Console) async throws {
    let reply = try await APIClient.with(console) { client in
      try await client.send(
        APICall(method: method, target: target, body: body, app: app.app?.text))
    }
    // A refusal of our own is told like any other; BigCommerce's answers are the caller's to read.
    guard reply.isSuccess || reply.isFromUpstream else { throw reply.failure }
    try write(reply.body, on: console)
    guard reply.isSuccess else {
      throw CommandFailure(
        text: "BigCommerce answered \(reply.status)."
          + (reply.requestID.map { " Request id: \(Table.printable($0))" } ?? ""))
    }
  }

  private func write(_ body: [UInt8], on console: Console) throws {
    guard !body.isEmpty else { return }
    if json || console.hasOutputTerminal, let document = try? JSONScanner.parse(body) {
      return try console.line(document.prettyText)
    }
    guard console.hasOutputTerminal else { return try console.writeOutput(body) }
    // Not JSON, and on its way to a terminal: line by line, without what the terminal would obey.
    let lines = String(decoding: body, as: UTF8.self).split(separator: "\n")
    try console.line(lines.map { Table.printable(String($0)) }.joined(separator: "\n"))
  }
}
