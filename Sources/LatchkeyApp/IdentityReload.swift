import Logging
import ServiceLifecycle
import UnixSignals
import Web

/// Reads the listeners' certificates again on SIGHUP; connections from then on use them.
struct IdentityReload: Service {
  let identities: [TLSIdentity]
  let logger: Logger

  func run() async throws {
    let signals = await UnixSignalsSequence(trapping: .sighup)
    for await _ in signals.cancelOnGracefulShutdown() {
      do throws(TLSIdentityError) {
        for identity in identities { try identity.reload() }
        logger.notice(
          "certificates were read again", metadata: ["listeners": "\(identities.count)"])
      } catch {
        logger.error(
          "certificates cannot be read; the old ones stay in use", metadata: ["error": "\(error)"])
      }
    }
  }
}
