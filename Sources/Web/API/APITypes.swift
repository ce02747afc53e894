package import Base
package import BigCommerce
package import HTTPTypes

/// Who calls the JSON API: a service key that has been checked.
package struct APICaller: Sendable {
  /// The key's ID, never its text.
  package let keyID: String
  package let grant: Grant
  private let labels: @Sendable (InstallationID) -> Set<StoreLabel>
  private let again: (@Sendable () -> Result<APICaller, Problem>)?

  /// A caller whose key has been checked; `again` checks it once more.
  ///
  /// `labels` says what a store had at the moment at which the key was checked; none when there is
  /// no such store.
  package init(
    keyID: String, grant: Grant,
    labels: @escaping @Sendable (InstallationID) -> Set<StoreLabel> = { _ in [] },
    again: (@Sendable () -> Result<APICaller, Problem>)? = nil
  ) {
    self.keyID = keyID
    self.grant = grant
    self.labels = labels
    self.again = again
  }

  /// The caller as it is now, for an answer that takes long.
  ///
  /// - Throws: what a new call with the key would be refused with.
  package func now() throws(Problem) -> APICaller {
    guard let again else { return self }
    return try again().get()
  }

  /// Whether the grant holds the store, by its name or by its labels.
  package func mayName(_ installation: InstallationID) -> Bool {
    grant.allows(app: installation.app)
      && grant.allows(store: installation.store, labelled: labels(installation))
  }
}

/// One call of the JSON API, after authentication.
package struct APIRequest: Sendable {
  package let caller: APICaller
  /// The path segments that stand in the places of the route's `{…}`, in their order.
  package let arguments: [String]
  package let query: APIQuery
  /// The whole body, as it arrived.
  package let body: [UInt8]
  package let requestID: RequestID
}

/// An answer of the JSON API.
package struct APIAnswer: Sendable {
  package let status: Int
  /// `nil`: no body.
  package let body: JSONValue?

  package init(_ body: JSONValue, status: Int = 200) {
    self.status = status
    self.body = body
  }

  private init(status: Int) {
    self.status = status
    body = nil
  }

  /// Done, and there is nothing to tell.
  package static let done = APIAnswer(status: 204)

  /// A page of a list; `next` is the cursor of the following page.
  package static func page(_ data: [JSONValue], next: String?) -> APIAnswer {
    APIAnswer(["data": .array(data), "next": next.map { .string($0) } ?? .null])
  }
}

/// One route of the JSON API.
package struct APIRoute: Sendable {
  package typealias Handler = @Sendable (APIRequest) async throws(Problem) -> APIAnswer

  package let method: HTTPRequest.Method
  /// Segments below `/v1`; `{…}` stands for exactly one.
  package let template: [String]
  /// What the caller's grant must hold.
  package let ability: Ability
  /// Query parameters that the route knows; any other is refused by name.
  package let parameters: Set<String>
  /// How large a body may be; 0: none is read.
  package let bodyLimit: ByteCount
  package let handler: Handler

  package init(
    _ method: HTTPRequest.Method, _ template: String, ability: Ability,
    parameters: Set<String> = [], bodyLimit: ByteCount = ByteCount(0), handler: @escaping Handler
  ) {
    self.method = method
    self.template = template.split(separator: "/").map(String.init)
    self.ability = ability
    self.parameters = parameters
    self.bodyLimit = bodyLimit
    self.handler = handler
  }

  /// The segments in the places of `{…}`, or `nil` when the path is another's.
  package func arguments(of segments: [String]) -> [String]? {
    guard segments.count == template.count else { return nil }
    var arguments: [String] = []
    for (part, segment) in zip(template, segments) {
      if part.hasPrefix("{") {
        arguments.append(segment)
      } else if part != segment {
        return nil
      }
    }
    return arguments
  }
}
