package import Base

/// What `doctor` found.
package struct DoctorReport: Sendable {
  /// How one thing is.
  package enum Verdict: String, Sendable {
    /// As it must be.
    case ok
    /// Works, but somebody should know.
    case warning
    /// Must be put right.
    case failed
  }

  /// One thing that was looked at.
  package struct Check: Equatable, Sendable {
    /// A fixed word, such as `database`.
    package let name: String
    package let verdict: Verdict
    /// What was found, and what to do about it; never a secret.
    package let detail: String

    package init(_ name: String, _ verdict: Verdict, _ detail: String) {
      self.name = name
      self.verdict = verdict
      self.detail = detail
    }
  }

  /// Every setting in effect, secrets redacted.
  package let settings: [EffectiveSetting]
  package let checks: [Check]

  package init(settings: [EffectiveSetting], checks: [Check]) {
    self.settings = settings
    self.checks = checks
  }

  /// A report about settings that cannot be used; nothing else was looked at.
  package init(_ problems: SettingsProblems) {
    settings = []
    checks = problems.problems.map { Check("settings", .failed, "\($0)") }
  }

  /// Whether nothing must be put right.
  package var isHealthy: Bool { !checks.contains { $0.verdict == .failed } }

  /// `{"healthy", "checks": [{"name", "verdict", "detail"}], "settings": [{"name", "value",
  /// "default"}]}`.
  package var json: JSONValue {
    [
      "healthy": .bool(isHealthy),
      "checks": .array(
        checks.map { check in
          [
            "name": .string(check.name), "verdict": .string(check.verdict.rawValue),
            "detail": .string(check.detail),
          ]
        }),
      "settings": .array(
        settings.map { setting in
          [
            "name": .string(setting.name.rawValue),
            "value": setting.text.map { .string($0) } ?? .null,
            "default": .bool(setting.isDefault),
          ]
        }),
    ]
  }

  /// For people: the settings, then the checks.
  package var text: String {
    let width = settings.map(\.name.rawValue.count).max() ?? 0
    let rows = settings.map { setting in
      let padding = String(repeating: " ", count: width - setting.name.rawValue.count)
      let value = setting.text.flatMap { $0.isEmpty ? nil : $0 } ?? "-"
      return "\(setting.name.rawValue)\(padding)  \(value)\(setting.isDefault ? "  (default)" : "")"
    }
    let marks: [Verdict: String] = [.ok: "ok      ", .warning: "warning ", .failed: "FAILED  "]
    let found = checks.map { (marks[$0.verdict] ?? "") + $0.name + ": " + $0.detail }
    return (rows + (rows.isEmpty ? [] : [""]) + found).map { $0 + "\n" }.joined()
  }
}
