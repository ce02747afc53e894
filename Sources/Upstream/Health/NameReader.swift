package import Base
import BigCommerce
import Curl
import Fields
import HTTPTypes
package import Logging
import NIOCore
package import Postgres
import ServiceLifecycle
package import Storage

/// Asks stores what they call themselves, after each install and once a week, so that operators
/// find them by it.
///
/// Only stores that have granted a scope for it are asked, as bulk in their quota. Replicas share
/// them by leases in the database.
package final class NameReader: Service, Sendable {
  private static let path = "/v2/store"
  private static let atOnce = 8
  /// Longer than a call takes at most, so that a store is not asked twice while one is under way.
  private static let lease = Duration.seconds(60)
  private static let timeout = Duration.seconds(10)
  private static let maxBody = ByteCount.mebibytes(1)
  /// After a store was not known here yet.
  private static let moment = Duration.seconds(5)
  /// After a call that brought nothing.
  private static let retry = Duration.seconds(3600)
  /// After a store said that it will not tell.
  private static let rest = Duration.seconds(86_400)

  private let names: StoreNames
  private let upstream: Upstream
  private let directory: StoreDirectory
  private let userAgent: String
  private let clock: MonotonicClock
  private let logger: Logger

  package init(
    names: StoreNames, upstream: Upstream, directory: StoreDirectory, userAgent: String,
    clock: MonotonicClock = .system, logger: Logger
  ) {
    self.names = names
    self.upstream = upstream
    self.directory = directory
    self.userAgent = userAgent
    self.clock = clock
    self.logger = logger
  }

  /// Asks stores that are due until the task is cancelled or the service group shuts down.
  package func run() async throws {
    await makeLoop().run(tidyEvery: 3600) {}
  }

  /// Asks all stores that are due now, and waits for the end of it.
  ///
  /// - Returns: how many.
  @discardableResult
  package func step() async throws(PostgresError) -> Int {
    try await makeLoop().step()
  }

  private func makeLoop() -> ClaimLoop<NameClaim> {
    ClaimLoop(
      "names of stores", atOnce: Self.atOnce, clock: clock, logger: logger,
      look: { free throws(PostgresError) in
        guard free > 0 else { return .init(claims: [], isBusy: false) }
        let claims = try await self.names.claim(limit: free, lease: Self.lease)
        return .init(claims: claims, isBusy: false)
      }, work: { await self.ask($0) })
  }

  private enum Answer {
    case told(OwnName)
    /// It is asked again after that time.
    case nothing(Duration)
  }

  private func ask(_ claim: NameClaim) async {
    let answer = claim.mayRead ? await call(claim.installation) : .nothing(StoreNames.readEvery)
    // The replica ends: the next one finds the store when the lease is over.
    guard !Task.isCancelled else { return }
    do throws(PostgresError) {
      switch answer {
      case .told(let name): try await names.note(name, of: claim.installation)
      case .nothing(let pause): try await names.postpone(claim, by: pause)
      }
    } catch {
      logger.warning(
        "a store's name is not written down; it is asked again",
        metadata: ["store_hash": "\(claim.installation.store)", "error": "\(error)"])
    }
  }

  private func call(_ installation: InstallationID) async -> Answer {
    guard let store = directory.current()?.store(installation) else { return .nothing(Self.moment) }
    guard case .open(let token) = store.token else { return .nothing(Self.retry) }
    var headers: FieldSection = [.accept: "application/json", .userAgent: userAgent]
    headers.append(.traceparent, TraceSource.shared.begin().traceparent)
    let call = StoreCall(
      store: store, token: token, method: .get, target: "/stores/\(installation.store)\(Self.path)",
      headers: headers, body: .none,
      demand: QuotaDemand(
        caller: "", family: EndpointFamilies.shared.family(method: .get, path: Self.path[...]),
        priority: .bulk, maxWait: Self.timeout), timeout: Self.timeout, retries: 1)
    do throws(UpstreamError) {
      let response = try await upstream.call(call)
      guard response.status == 200 else {
        return .nothing((400..<500).contains(response.status) ? Self.rest : Self.retry)
      }
      return await read(response.body)
    } catch {
      logger.debug(
        "a store did not tell its name",
        metadata: ["store_hash": "\(installation.store)", "error": "\(error)"])
      return .nothing(Self.retry)
    }
  }

  private func read(_ body: CurlResponseBody) async -> Answer {
    guard let bytes = try? await body.collect(upTo: Self.maxBody),
      let document = try? JSONScanner.parse(bytes.readableBytesView), let name = OwnName(document)
    else { return .nothing(Self.retry) }
    return .told(name)
  }
}
