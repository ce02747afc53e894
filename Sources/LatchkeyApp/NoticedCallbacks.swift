import Base
import Install
import Prometheus
import Synchronization
import Web

/// Lets what a callback changed count on this replica without waiting for the next poll.
struct NoticedCallbacks: CallbackHandling {
  let callbacks: Callbacks
  let outcomes: CallbackOutcomes
  /// Where merchants are sent whose external install has failed.
  let failurePages: Set<String>
  let changed: @Sendable () async -> Void

  func install(_ request: CallbackRequest) async -> CallbackAnswer {
    await noticed(counted(.install, callbacks.install(request)))
  }

  func load(_ request: CallbackRequest) async -> CallbackAnswer {
    counted(.load, await callbacks.load(request))
  }

  func uninstall(_ request: CallbackRequest) async -> CallbackAnswer {
    await noticed(counted(.uninstall, callbacks.uninstall(request)))
  }

  func removeUser(_ request: CallbackRequest) async -> CallbackAnswer {
    counted(.removeUser, await callbacks.removeUser(request))
  }

  private func counted(_ kind: CallbackKind, _ answer: CallbackAnswer) -> CallbackAnswer {
    outcomes.count(kind, CallbackOutcomes.Outcome(answer, failurePages: failurePages))
    return answer
  }

  /// A failure changed nothing, and its answer must not wait for a database that may be away.
  private func noticed(_ answer: CallbackAnswer) async -> CallbackAnswer {
    if CallbackOutcomes.Outcome(answer, failurePages: []) == .done { await changed() }
    return answer
  }
}

/// What the platform's callbacks came to, for metrics.
final class CallbackOutcomes: Sendable {
  enum Outcome: String, CaseIterable {
    case done
    /// Forged, malformed, too late, or not for us: the status is 4xx.
    case refused
    /// Our fault or the platform's: the status is 5xx, or the merchant was sent to the page for
    /// failures.
    case failed
  }

  private let counts = Mutex<[CallbackKind: [Outcome: UInt64]]>([:])

  func count(_ kind: CallbackKind, _ outcome: Outcome) {
    counts.withLock { $0[kind, default: [:]][outcome, default: 0] += 1 }
  }

  var families: [MetricFamily] {
    let counts = counts.withLock { $0 }
    return [
      MetricFamily(
        "latchkey_callbacks_total", .counter, "Callbacks of BigCommerce, by what came of them.",
        by: ["kind", "outcome"],
        CallbackKind.allCases.flatMap { kind in
          Outcome.allCases.map {
            MetricPoint([kind.rawValue, $0.rawValue], counts[kind]?[$0] ?? 0)
          }
        })
    ]
  }
}

extension CallbackOutcomes.Outcome {
  init(_ answer: CallbackAnswer, failurePages: Set<String>) {
    self =
      switch answer {
      case .page(let page): Self(status: page.status)
      case .refused(let problem): Self(status: problem.status)
      case .redirect(_, let location): failurePages.contains(location) ? .failed : .done
      case .acknowledged: .done
      }
  }

  private init(status: Int) {
    self = status < 400 ? .done : status < 500 ? .refused : .failed
  }
}
