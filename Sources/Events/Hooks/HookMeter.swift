package import Base
package import Prometheus
import Storage
import Synchronization

/// What the reconciler did, for the metrics.
package final class HookMeter: Sendable {
  /// What was done to a webhook.
  package enum Change: String, MetricWord {
    case create, update, delete
    /// Switched on again.
    case revive
    /// Touched, so that silence does not switch it off.
    case touch
  }

  /// What a check came to.
  package enum Outcome: String, MetricWord {
    case inStep = "in_step"
    case repaired
    case failed
  }

  package let checks = Tally<Outcome>()
  package let changes = Tally<Change>()
  package let failures = Tally<HookFailure>()
  private let counts = Mutex<[WebhookState: Int]>([:])
  /// Until when the platform delivers nothing, by the monotonic clock.
  private let blocked = Mutex<[AppName: Duration]>([:])
  private let clock: MonotonicClock

  package init(clock: MonotonicClock = .system) {
    self.clock = clock
  }

  func note(_ counts: [WebhookState: Int]) { self.counts.withLock { $0 = counts } }

  func noteBlock(_ app: AppName, for duration: Duration?) {
    let end = duration.map { clock.now() + $0 }
    blocked.withLock { $0[app] = end }
  }

  /// Everything in Prometheus' terms.
  package var families: [MetricFamily] {
    let now = clock.now()
    let left = blocked.withLock { $0 }.values.map { ($0 - now).inSeconds }.max() ?? 0
    let counts = self.counts.withLock { $0 }
    return [
      .counter(
        "latchkey_webhook_checks_total", "Looks at a store's webhooks, by what they came to.",
        by: "outcome", checks.points),
      .counter(
        "latchkey_webhook_changes_total", "Webhooks that were made, changed or removed.",
        by: "change", changes.points),
      .counter(
        "latchkey_webhook_failures_total", "Why looks at a store's webhooks failed.",
        by: "reason", failures.points),
      MetricFamily(
        "latchkey_webhook_stores", .gauge,
        "Stores by how far their webhooks are as they should be.",
        by: ["state"],
        WebhookState.allCases.map { MetricPoint([$0.rawValue], counts[$0] ?? 0) }),
      .gauge(
        "latchkey_webhooks_blocked_seconds",
        "For how long BigCommerce delivers nothing to us, as it said last; 0: it delivers.",
        max(0, left)),
    ]
  }
}
