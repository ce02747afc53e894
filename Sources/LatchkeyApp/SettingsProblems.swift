/// What is wrong with one setting.
package struct SettingsProblem: Error, Hashable, Sendable, CustomStringConvertible {
  /// The variable, or the place in the settings file, to look at.
  package let name: String
  /// What is wrong and what would be right; never a value that was given.
  package let text: String

  package init(_ name: String, _ text: String) {
    self.name = name
    self.text = text
  }

  package var description: String { "\(name): \(text)" }
}

/// Everything that is wrong with the settings, not only the first thing.
package struct SettingsProblems: Error, Equatable, Sendable, CustomStringConvertible {
  package let problems: [SettingsProblem]

  package init(_ problems: [SettingsProblem]) {
    self.problems = problems
  }

  package var description: String {
    let count = problems.count == 1 ? "1 setting is" : "\(problems.count) settings are"
    return "\(count) wrong:\n" + problems.map { "  \($0)" }.joined(separator: "\n")
  }
}
