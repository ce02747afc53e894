import Base
import BigCommerce
import Fields
package import Storage

/// What a subscriber made of a push.
package struct PushAnswer: Hashable, Sendable {
  package enum Verdict: Hashable, Sendable {
    /// 2xx.
    case accepted
    /// 410.
    case gone
    /// Anything else, redirects included; or no answer.
    case refused
  }

  package let verdict: Verdict
  /// How long the subscriber wants to be left alone: `Retry-After` of a 429 or 503.
  package let retryAfter: Duration?
  /// For the log.
  package let attempt: PushAttempt

  package init(verdict: Verdict, retryAfter: Duration?, attempt: PushAttempt) {
    self.verdict = verdict
    self.retryAfter = retryAfter
    self.attempt = attempt
  }

  static func verdict(of status: Int) -> Verdict {
    switch status {
    case 200...299: .accepted
    case 410: .gone
    default: .refused
    }
  }

  /// Seconds or a date; `nil` for other statuses and other forms.
  static func retryAfter(_ status: Int, _ fields: FieldSection, now: Timestamp) -> Duration? {
    guard status == 429 || status == 503, let text = fields.only(.retryAfter) else { return nil }
    if (1...9).contains(text.utf8.count), let seconds = Int64(text), seconds >= 0 {
      return .seconds(seconds)
    }
    return HTTPDate.read(text).map { max(.zero, $0 - now) }
  }

  /// The fixed word of a failure; `nil` for an accepted one.
  static func failure(of status: Int) -> String? {
    switch status {
    case 200...299: nil
    case 300...399: "redirect"
    case 410: "gone"
    default: "status"
    }
  }
}
