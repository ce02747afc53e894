package import Base
package import Curl
import HTTPTypes

/// The call that needs no scope: the platform answers 200 to a token that it accepts, and 401 to
/// any other.
package struct CanaryCall: Sendable {
  /// Until the whole answer.
  private static let timeout = Duration.seconds(20)

  private let client: CurlClient
  private let origin: Origin

  package init(client: CurlClient, origin: Origin) {
    self.client = client
    self.origin = origin
  }

  /// Asks about a token of the store; any status is an answer.
  package func send(
    _ token: Secret<String>, of store: StoreHash
  ) async throws(CurlError) -> CurlResponse {
    try await client.send(
      CurlRequest(
        origin: origin, target: "/stores/\(store)/v3/hooks?limit=1",
        headers: [.accept: "application/json", .authToken: token.expose()],
        firstByteTimeout: Self.timeout, totalTimeout: Self.timeout))
  }
}
