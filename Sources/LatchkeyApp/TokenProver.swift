import Base
import BigCommerce
import Curl
import Gateway
import HTTPTypes
import Postgres
import Storage
import Upstream
import Web

/// Tries tokens with the call that needs no scope.
struct TokenProver: TokenProving {
  private static let timeout = Duration.seconds(20)

  let client: CurlClient
  let origin: Origin
  let watch: RevocationWatch

  func prove(_ token: Secret<String>, of installation: InstallationID) async -> TokenVerdict {
    let request = CurlRequest(
      origin: origin, target: "/stores/\(installation.store)/v3/hooks?limit=1",
      headers: [.accept: "application/json", .authToken: token.expose()],
      firstByteTimeout: Self.timeout, totalTimeout: Self.timeout)
    do throws(CurlError) {
      let answer = try await client.send(request)
      switch answer.status {
      case 200:
        return .accepted(
          at: answer.headers[.date].flatMap(HTTPDate.read) ?? WallClock.system.now())
      case 401: return .refused
      default: return .unclear(status: answer.status)
      }
    } catch {
      return .unclear(status: nil)
    }
  }

  func verify(_ installation: InstallationID) async throws(Problem) -> TokenVerdict {
    let answer: CanaryAnswer?
    do throws(PostgresError) {
      answer = try await watch.verify(installation)
    } catch {
      throw .databaseUnavailable
    }
    switch answer {
    case .accepted?: return .accepted(at: WallClock.system.now())
    case .refused?: return .refused
    case .inconclusive?, nil: return .unclear(status: nil)
    }
  }
}
