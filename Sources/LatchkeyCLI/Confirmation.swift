import ArgumentParser
import Base

/// What to do about a command that cannot be undone.
enum Confirmation: Equatable {
  /// Say what would happen, change nothing.
  case dryRun
  /// Go on.
  case proceed
  /// Ask the person.
  case ask
  /// Nobody can be asked, so change nothing.
  case refuse

  /// Decides; a dry run wins over everything.
  static func decide(isDryRun: Bool, isSure: Bool, hasTerminal: Bool) -> Confirmation {
    if isDryRun { return .dryRun }
    if isSure { return .proceed }
    return hasTerminal ? .ask : .refuse
  }

  /// Whether this answer means yes.
  static func isYes(_ answer: String?) -> Bool {
    ["y", "yes"].contains(answer?.lowercased().filter { !$0.isWhitespace } ?? "")
  }
}

/// The options of every command that cannot be undone.
struct ConfirmationOptions: ParsableArguments {
  @Flag(name: .long, help: "Say what would happen, and change nothing.")
  var dryRun = false

  @Flag(
    name: [.short, .long],
    help: "Do not ask. Needed where nobody can be asked, such as in a script.")
  var yes = false

  /// Refuses early, before anything is looked at, when nobody could be asked.
  func check(on console: Console) throws(CommandFailure) {
    guard decision(console) != .refuse else {
      throw .usage(
        "Nothing was changed: this needs a confirmation, and there is no terminal to ask on. "
          + "Repeat it with --yes, or look first with --dry-run.")
    }
  }

  /// Whether to go on with an act; a dry run says what would have happened.
  ///
  /// The act begins with a verb in the base form and has no full stop.
  func allow(_ act: String, on console: Console) throws -> Bool {
    try check(on: console)
    let shown = Table.printable(act)
    switch decision(console) {
    case .dryRun:
      try console.line("Would \(shown). Nothing was changed.")
      return false
    case .proceed: return true
    case .refuse: return false
    case .ask:
      let question = shown.prefix(1).uppercased() + shown.dropFirst()
      console.writeErrors(Array("\(question)? [y/N] ".utf8))
      guard Confirmation.isYes(console.readAnswer()) else {
        throw CommandFailure(text: "Nothing was changed.")
      }
      return true
    }
  }

  /// Looks, asks, and only then calls; refuses before looking when nobody could be asked.
  ///
  /// `look` returns what is to be done, as ``allow(_:on:)`` wants it.
  /// - Returns: the answer, `nil` when nothing was done.
  func change(
    with call: APICall, on console: Console, look: (APIClient) async throws -> String
  ) async throws -> JSONValue? {
    try check(on: console)
    return try await APIClient.with(console) { client in
      guard try allow(try await look(client), on: console) else { return nil }
      return try await client.document(call)
    }
  }

  private func decision(_ console: Console) -> Confirmation {
    .decide(
      isDryRun: dryRun, isSure: yes,
      hasTerminal: console.hasInputTerminal && console.hasErrorTerminal)
  }
}

/// A thing that an argument names and a command changes, after a look at it.
protocol ChangedThing: Sendable {
  var id: String { get }
  /// What it is, in a word.
  var noun: String { get }
  /// Where the API has it.
  var target: String { get }

  /// By what a person knows it; throws when it is not there.
  func look(_ client: APIClient, _ console: Console) async throws -> String
}

extension ChangedThing {
  /// Looks at the thing, asks, and only then makes the call, which is told where the API has it.
  ///
  /// - Returns: the answer, `nil` when nothing was done.
  func change(
    _ verb: String, _ consequence: String, _ confirmation: ConfirmationOptions,
    _ console: Console, _ call: (String) -> APICall
  ) async throws -> JSONValue? {
    try await confirmation.change(with: call(target), on: console) { client in
      "\(verb) the \(noun) \(id) (\(try await look(client, console)))\(consequence)"
    }
  }
}
