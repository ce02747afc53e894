package import Base
import BigCommerce
package import Curl
import Fields
import HTTPTypes
import Storage

/// The call that needs no scope: the platform answers 200 to a token that it accepts, and 401 to
/// any other.
///
/// It goes as bulk in the store's quota, so that it never takes what callers may need.
package struct CanaryCall: Sendable {
  /// Until the whole answer, and for a place in the store's quota.
  private static let timeout = Duration.seconds(20)
  private static let maxWait = Duration.seconds(10)

  private let client: CurlClient
  private let origin: Origin
  private let directory: StoreDirectory
  private let time: CallTime

  package init(
    client: CurlClient, origin: Origin, directory: StoreDirectory, time: CallTime = .system
  ) {
    self.client = client
    self.origin = origin
    self.directory = directory
    self.time = time
  }

  /// Asks about a token of the installation; any status is an answer.
  package func send(
    _ token: Secret<String>, of installation: InstallationID,
    in trace: TraceContext = TraceSource.shared.begin()
  ) async throws(UpstreamError) -> CurlResponse {
    var headers: FieldSection = [.accept: "application/json", .authToken: token.expose()]
    headers.append(.traceparent, trace.traceparent)
    let request = CurlRequest(
      origin: origin, target: "/stores/\(installation.store)/v3/hooks?limit=1",
      headers: headers,
      firstByteTimeout: Self.timeout, totalTimeout: Self.timeout)
    // A store that is not known yet has no quota that anybody here knows of.
    guard let activity = directory.current()?.store(installation)?.activity else {
      return try await send(request)
    }
    let pass = try await activity.pass(demand, time)
    do throws(UpstreamError) {
      let answer = try await send(request)
      activity.finish(
        pass, .answered(status: answer.status, QuotaHeaders(answer.headers)), seenAt: nil, time)
      return answer
    } catch {
      activity.finish(pass, .failed(error), seenAt: nil, time)
      throw error
    }
  }

  private var demand: QuotaDemand {
    QuotaDemand(
      caller: "", family: EndpointFamilies.shared.family(method: .get, path: "/v3/hooks"),
      priority: .bulk, maxWait: Self.maxWait)
  }

  private func send(_ request: CurlRequest) async throws(UpstreamError) -> CurlResponse {
    do throws(CurlError) {
      return try await client.send(request)
    } catch {
      throw UpstreamError(error)
    }
  }
}
