import Base
import BigCommerce
import Curl
import Fields
import Gateway
import Postgres
import Storage
import Upstream
import Web

/// Tries tokens with the call that needs no scope.
struct TokenProver: TokenProving {
  let canary: CanaryCall
  let watch: RevocationWatch

  func prove(_ token: Secret<String>, of installation: InstallationID) async -> TokenVerdict {
    do throws(UpstreamError) {
      let answer = try await canary.send(token, of: installation)
      switch answer.status {
      case 200:
        return .accepted(
          at: answer.headers.only(.date).flatMap(HTTPDate.read) ?? WallClock.system.now())
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
