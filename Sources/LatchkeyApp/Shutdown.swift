import Logging
import UnixSignals
import Web

/// Waits for the signal to stop, and lets load balancers notice before the listeners close.
struct Shutdown: Sendable {
  let delay: Duration
  let draining: Draining
  let logger: Logger

  func wait() async {
    let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
    for await signal in signals {
      logger.notice("draining", metadata: ["signal": "\(signal)"])
      draining.begin()
      // Cancelled: there is nothing left to wait for.
      try? await Task.sleep(for: delay)
      return
    }
  }
}
