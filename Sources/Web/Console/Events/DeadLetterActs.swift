import Base
import BigCommerce
import HTTPTypes

/// Acts on a subscription: what could not be pushed is pushed once more or forgotten, and pushing
/// is stopped or begun again.
enum DeadLetterActs {
  enum Word: String {
    case replay, discard, enable, disable

    /// Whether it is about events.
    var isOfEvents: Bool { self == .replay || self == .discard }
  }

  private static func word(_ request: ConsoleRequest) throws(Problem) -> Word {
    guard let word = Word(rawValue: request.arguments[1]) else { throw .noRoute }
    return word
  }

  private static func page(_ request: ConsoleRequest) -> String {
    "\(SubscriptionsPages.path)/\(request.arguments[0])"
  }

  /// What is meant: one event, or all dead letters.
  private static func selection(_ event: String?, isDryRun: Bool) -> [UInt8] {
    var members: [JSONValue.Member] = [.init("dry_run", .bool(isDryRun))]
    members.append(
      event.map { .init("event_ids", .array([.string($0)])) } ?? .init("failed", true))
    return JSONValue.object(members).encoded()
  }

  static func ask(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let word = try word(request)
    let id = request.arguments[0]
    let subscription = try await request.api.get("/v1/subscriptions/\(id)")
    let url = subscription["url"]?.string ?? ""
    guard word.isOfEvents else { return ask(word, url, page(request)).answer }
    let event = request.query["event"]
    let would = try await request.api.call(
      .post, "/v1/subscriptions/\(id)/\(word.rawValue)", body: selection(event, isDryRun: true))
    let count = would?["would_\(word.rawValue)"]?.integer ?? 0
    guard count > 0 else {
      return .redirect(
        page(request), ConsoleNotice(.bad, "There is nothing to \(word.rawValue)."))
    }
    let what = event == nil ? ConsoleWords.count(Int(count), "dead letter") : "This event"
    let goes = count == 1 || event != nil ? "goes" : "go"
    return ConsoleQuestion(
      title: word == .replay ? "Push once more?" : "Discard?",
      text: word == .replay
        ? "\(what) \(goes) to \(url) once more."
        : "\(what) will not be pushed to \(url) any more. \(count == 1 ? "It stays" : "They stay") in the feed.",
      action: "\(page(request))/\(word.rawValue)",
      button: word == .replay ? "Push once more" : "Discard", isDanger: word == .discard,
      back: page(request), fields: event.map { [("event", $0)] } ?? []
    ).answer
  }

  private static func ask(_ word: Word, _ url: String, _ page: String) -> ConsoleQuestion {
    let stops = word == .disable
    return ConsoleQuestion(
      title: stops ? "Stop pushing?" : "Push again?",
      text: stops
        ? "Nothing is pushed to \(url) until somebody begins again. Events wait as long as they are kept."
        : "What waited is pushed to \(url), the oldest first.",
      action: "\(page)/\(word.rawValue)", button: stops ? "Stop pushing" : "Push again",
      isDanger: stops, back: page)
  }

  static func act(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let word = try word(request)
    let id = request.arguments[0]
    let event = request.form["event"]
    // An unknown one is refused before anything is written down.
    _ = try await request.api.get("/v1/subscriptions/\(id)")
    try await request.record(
      "subscription_\(word.rawValue)",
      [
        .init("subscription_id", .string(id)),
        .init("event_id", event.map { .string($0) } ?? .null),
      ]
    )
    let done = try await request.api.call(
      .post, "/v1/subscriptions/\(id)/\(word.rawValue)",
      body: word.isOfEvents ? selection(event, isDryRun: false) : [])
    let notice: String
    switch word {
    case .replay:
      notice = "Put in the queue: \(ConsoleWords.count(done?["replayed"]?.integer ?? 0))."
    case .discard:
      notice = "Discarded: \(ConsoleWords.count(done?["discarded"]?.integer ?? 0))."
    case .enable: notice = "Pushing again."
    case .disable: notice = "Stopped pushing."
    }
    return .redirect(page(request), ConsoleNotice(.good, notice))
  }
}
