import ArgumentParser
import Base
import HTTPTypes

/// Which events shall be pushed once more, or forgotten.
struct SelectionOptions: ParsableArguments {
  @Option(name: .long, help: "The cursor behind which to begin, or 'oldest'.")
  var from: String?
  @Option(name: .long, help: "The cursor of the last event. Left out: up to now.")
  var to: String?
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only what happened from then on: a UTC time such as 2026-01-31T09:30:00Z, or how long ago, such as 2h.",
      valueName: "time"))
  var since: Moment?
  @Option(
    name: .long,
    help: ArgumentHelp("Only what happened before then; written like --since.", valueName: "time"))
  var until: Moment?
  @Flag(name: .long, help: "All dead letters.")
  var failed = false
  @OptionGroup var events: EventOptions

  /// Whether the options say which events are meant; `name` is how their IDs are given.
  func check(ids: [String], named name: String) throws(ValidationError) {
    let hasOthers = failed || from != nil || to != nil || since != nil || until != nil
    let hasFilter = !events.type.isEmpty || events.store != nil || events.app != nil
    let isFine =
      ids.isEmpty
      ? (failed || from != nil || since != nil) && (to == nil || from != nil)
      : !hasOthers && !hasFilter
    guard isFine else {
      throw ValidationError(
        "Give \(name) alone, or one of --from (with or without --to), --since and --failed, "
          + "which --until, --type, --store and --app narrow.")
    }
  }

  /// The body of the API call.
  func body(ids: [String]) -> [JSONValue.Member] {
    if !ids.isEmpty { return [.init("event_ids", .array(ids.map { .string($0) }))] }
    let now = WallClock.system.now()
    let texts = [
      ("from", from), ("to", to), ("since", since?.text(now: now)),
      ("until", until?.text(now: now)), ("store", events.store?.text),
      ("app", events.app?.text),
    ]
    var members = texts.compactMap { name, text in
      text.map { JSONValue.Member(name, .string($0)) }
    }
    if !events.type.isEmpty {
      members.append(.init("types", .array(events.type.map { .string($0) })))
    }
    if failed { members.append(.init("failed", true)) }
    return members
  }
}

/// An act on many things that is counted first, then confirmed, and only then carried out.
struct CountedAct {
  let target: String
  let body: [JSONValue.Member]
  /// The API's word for a dry run's number, behind `would_`.
  let verb: String
  /// The API's word for the number that was done.
  let done: String

  /// Counts, asks and acts.
  ///
  /// `question` says of the number and of the answer that has it what is to be done, as
  /// ``ConfirmationOptions/allow(_:on:)`` wants it; `outcome` says of the number what was done.
  func run(
    _ confirmation: ConfirmationOptions, _ output: OutputOptions, _ console: Console,
    question: (Int64, JSONValue) -> String, outcome: (Int64) -> String
  ) async throws {
    try confirmation.check(on: console)
    try await APIClient.with(console) { client in
      let found = try await client.document(call([.init("dry_run", true)]))
      let count = found["would_\(verb)"]?.integer ?? 0
      if confirmation.dryRun && output.json { return try console.line(found.prettyText) }
      guard count > 0 else {
        return try output.json
          ? console.line(JSONValue.object([.init(done, 0)]).prettyText)
          : console.note("There is nothing to \(verb).")
      }
      guard try confirmation.allow(question(count, found), on: console) else { return }
      let answer = try await client.document(call([]))
      if output.json { return try console.line(answer.prettyText) }
      try console.line(outcome(answer[done]?.integer ?? 0))
    }
  }

  private func call(_ more: [JSONValue.Member]) -> APICall {
    APICall(method: .post, target: target, body: JSONValue.object(body + more).encoded())
  }
}
