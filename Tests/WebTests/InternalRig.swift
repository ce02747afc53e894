import Base
import BigCommerce
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Vault

@testable import Web

/// The internal listener's routes without sockets and database: handlers only note that they were
/// begun.
struct InternalRig: Sendable {
  /// The operations whose handlers began since it was last asked.
  final class Begun: Sendable {
    private let ids = Mutex<[String]>([])

    func note(_ id: String) { ids.withLock { $0.append(id) } }

    func take() -> [String] {
      ids.withLock { ids in
        defer { ids = [] }
        return ids
      }
    }
  }

  let begun = Begun()
  let console: Console
  private let responder: InternalResponder
  private static let keyring = "a:" + Base64.encode([UInt8](repeating: 7, count: 32))

  init() throws {
    let begun = begun
    let api = APIRoutes(
      Web.Operation.all.filter { $0.path.hasPrefix("/v1/") && $0.id != "streamEvents" }.map {
        operation in
        APIRoute(operation) { _ throws(Problem) in
          begun.note(operation.id)
          return APIAnswer(["data": [], "next": .null])
        }
      })
    let draining = Draining()
    console = try Console(
      Console.Parts(
        keyring: try Keyring(parsing: Secret(Self.keyring)), api: api, gateway: StubGateway.echo,
        authenticate: Self.caller, callers: Self.caller,
        audit: ConsoleAuditing { _, _, _, _ in }, names: { _, _ in }, draining: draining))
    responder = InternalResponder(
      gateway: StubGateway.echo, api: api, events: nil, authenticate: Self.caller,
      readiness: { nil },
      pages: try ServicePages(Web.Operation.all, version: "1", areOpen: false) {
        begun.note("showMetrics")
        return []
      }, console: console, draining: draining)
  }

  /// A call with a key that holds abilities; without one for `nil`.
  func call(
    _ method: HTTPRequest.Method, _ target: String, holding abilities: [Ability]?
  ) async -> Response {
    var headers = HTTPFields()
    if let abilities { headers[.authorization] = Self.names(abilities) }
    return await respond(method, target, headers)
  }

  /// A page that a session asks for, or an act of one of its pages.
  func visit(
    _ method: HTTPRequest.Method, _ target: String, holding abilities: [Ability],
    accept: String? = nil
  ) async throws -> Response {
    let session = console.sessions.begin(keyID: Self.names(abilities), user: nil)
    let cookie = ConsoleCookie(isSecure: false)
    var headers: HTTPFields = [
      .cookie: "\(cookie.name)=\(try console.sessions.seal(session))",
      .contentType: "application/x-www-form-urlencoded", .secFetchSite: "same-origin",
    ]
    if let accept { headers[.accept] = accept }
    return await respond(method, target, headers, body: "csrf=\(session.token)")
  }

  private func respond(
    _ method: HTTPRequest.Method, _ target: String, _ headers: HTTPFields, body: String = ""
  ) async -> Response {
    await responder.respond(
      to: WebRequest(
        method: method, target: RawTarget(target), headers: headers,
        contentLength: body.utf8.count,
        body: RequestBodyStream(
          body: RequestBody(buffer: ByteBuffer(string: body)), connection: nil),
        requestID: RequestIDSource(seed: 1).next(),
        notes: RequestNotes(trace: TraceSource.shared.begin()), clientAddress: "127.0.0.1",
        authority: "here", isSecure: false, loop: MultiThreadedEventLoopGroup.singleton.next()))
  }

  // MARK: Keys

  /// A key's ID says what it holds.
  private static func names(_ abilities: [Ability]) -> String {
    "key," + abilities.map(\.rawValue).joined(separator: ",")
  }

  private static func caller(_ headers: HTTPFields) -> Result<APICaller, Problem> {
    guard let names = headers[.authorization] else {
      return .failure(
        Problem(status: 401, code: "key_invalid", title: "Key not valid", detail: "No key."))
    }
    return caller(names).map(\.caller)
  }

  private static func caller(_ keyID: String) -> Result<ConsoleCaller, Problem> {
    let abilities = keyID.split(separator: ",").compactMap { Ability(rawValue: String($0)) }
    let grant = Grant(
      app: .default, stores: .all, scopes: .all, abilities: Abilities(abilities))
    return .success(
      ConsoleCaller(caller: APICaller(keyID: keyID, grant: grant), name: "of the test"))
  }
}
