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
  /// Learns which store the call is about.
  package let notes: RequestNotes?
  /// What the route's body may hold.
  let form: CallBody?

  /// The body as an object with no fields but those that the operation describes.
  ///
  /// - Throws: 400 that names what is wrong with it.
  func object() throws(Problem) -> APIBody {
    try object(body)
  }

  /// A line of the body as such an object.
  ///
  /// - Throws: 400 that names what is wrong with it.
  func object(_ bytes: [UInt8]) throws(Problem) -> APIBody {
    let isLeftOut = bytes.isEmpty && form?.isRequired == false
    return try APIBody(isLeftOut ? Array("{}".utf8) : bytes, known: form?.fieldNames ?? [])
  }
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

/// One route of the JSON API: an operation and what carries it out.
package struct APIRoute: TemplatedRoute, Sendable {
  package typealias Handler = @Sendable (APIRequest) async throws(Problem) -> APIAnswer

  package let operation: Operation
  /// Below `/v1`.
  package let template: PathTemplate
  package let handler: Handler

  /// A route of an operation whose path is below `/v1`.
  package init(_ operation: Operation, handler: @escaping Handler) {
    self.operation = operation
    template = PathTemplate(operation.path.dropFirst("/v1/".count))
    self.handler = handler
  }

  package var method: HTTPRequest.Method { operation.method }

  /// How large a body may be; 0: none is read.
  package var bodyLimit: ByteCount { operation.body?.limit ?? ByteCount(0) }
}
