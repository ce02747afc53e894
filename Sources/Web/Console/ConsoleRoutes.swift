import Base
import BigCommerce
import HTTPTypes
import Hummingbird

/// A part of the console that stands in its navigation: some pages, and the acts on them.
struct ConsoleSection: Sendable {
  let title: String
  /// Below `/console`, one segment.
  let path: String
  /// What a caller must hold to see it in the navigation.
  let ability: Ability
  let routes: [ConsoleRoute]
}

/// One page or act of the console.
struct ConsoleRoute: TemplatedRoute, Sendable {
  typealias Handler = @Sendable (ConsoleRequest) async throws(Problem) -> ConsoleAnswer

  /// `GET` for a page, `POST` for an act.
  let method: HTTPRequest.Method
  /// Below `/console`.
  let template: PathTemplate
  /// What the caller's grant must hold; the API that the page reads checks its own once more.
  let ability: Ability
  let handler: Handler

  init(
    _ method: HTTPRequest.Method, _ template: String, ability: Ability, handler: @escaping Handler
  ) {
    self.method = method
    self.template = PathTemplate(template)
    self.ability = ability
    self.handler = handler
  }
}

/// A request of somebody who is logged in; of an act, only once it is known not to be forged.
struct ConsoleRequest: Sendable {
  let caller: APICaller
  let session: ConsoleSession
  /// The path segments that stand in the places of the route's `{…}`, in their order.
  let arguments: [String]
  /// The raw path.
  let path: String
  let query: ConsoleForm
  /// Of an act; without fields for a page.
  let form: ConsoleForm
  let requestID: RequestID
  /// The JSON API, called with this caller's grant.
  let api: ConsoleAPI
  /// Stores' own APIs, called with this caller's key.
  let calls: ConsoleCalls
  /// When the request came.
  let now: Timestamp
  /// Writes into the audit trail who does what; see ``record(_:about:_:)``.
  let audit: ConsoleAuditing
  /// Keeps what a store called itself.
  let names: ConsoleNaming

  func may(_ ability: Ability) -> Bool { caller.grant.allows(ability) }

  /// A row about a store, with the address of the store's page if this caller may look at stores.
  func linked(_ row: PageValues) -> PageValues {
    guard may(.storesRead), let app = row["rowApp"] as? String,
      let hash = row["rowStore"] as? String
    else { return row }
    return row.merging(["storeLink": StoreName(app: app, hash: hash).path]) { $1 }
  }

  /// Writes, before an act is done, who is about to do it in the console: the key, and whom the
  /// proxy named.
  ///
  /// The act's own lines have the same request ID.
  /// - Throws: 503; then nothing may be done.
  func record(
    _ act: String, about installation: InstallationID? = nil,
    _ details: [JSONValue.Member] = []
  ) async throws(Problem) {
    var members: [JSONValue.Member] = [.init("act", .string(act))]
    if let user = session.user { members.append(.init("user", .string(user))) }
    try await audit.write(
      caller.keyID, "console_act", requestID, about: installation, .object(members + details))
  }
}

/// What comes of a request.
enum ConsoleAnswer: Sendable {
  case page(ConsolePage)
  /// 303 to a path of the console, which tells the notice.
  case redirect(String, ConsoleNotice?)
  /// Something that is no page, such as a download.
  case other(Response)
}

/// A page before it is rendered.
struct ConsolePage: Sendable {
  /// The template's name.
  let template: String
  let title: String
  let values: PageValues
  /// The status that it goes out with.
  var status = 200
  /// Seconds after which a browser without script loads the page again.
  var refresh: Int?

  init(
    _ template: String, title: String, status: Int = 200, refresh: Int? = nil,
    _ values: PageValues
  ) {
    self.template = template
    self.title = title
    self.status = status
    self.refresh = refresh
    self.values = values
  }
}

/// What a template reads: texts, flags, lists and further values; what is absent is not shown.
typealias PageValues = [String: any Sendable]
