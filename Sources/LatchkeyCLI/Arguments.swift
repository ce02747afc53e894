import ArgumentParser
import Base

/// What every command that reads has.
struct OutputOptions: ParsableArguments {
  @Flag(name: .long, help: "Print the API's JSON instead of a table.")
  var json = false
}

/// Which app is meant.
struct AppOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The app, by its name here.",
      discussion: "Left out: the app of the key, or `default` for a key of all apps.",
      valueName: "name"))
  var app: AppName?
}

extension AppName: ExpressibleByArgument {
  /// Reads an app's name.
  package init?(argument: String) {
    self.init(argument)
  }
}

extension StoreHash: ExpressibleByArgument {
  /// Reads a store hash.
  package init?(argument: String) {
    self.init(argument)
  }
}

/// A length of time as written in options, such as `90d`.
struct TimeSpan: ExpressibleByArgument, Equatable {
  let seconds: Int64

  init(seconds: Int64) {
    self.seconds = seconds
  }

  /// Reads a whole number with `s`, `m`, `h` or `d`.
  init?(argument: String) {
    let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
    guard let unit = argument.last.flatMap({ units[$0] }), argument.utf8.count <= 10 else {
      return nil
    }
    let digits = argument.dropLast()
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = Int64(digits)
    else { return nil }
    seconds = number * unit
  }
}

/// A moment as written in options: `2026-01-31T09:30:00Z`, or how long ago, such as `2h`.
enum Moment: ExpressibleByArgument, Equatable {
  case at(Timestamp)
  case ago(TimeSpan)

  /// Reads either form.
  init?(argument: String) {
    if let time = Timestamp(argument) {
      self = .at(time)
    } else if let span = TimeSpan(argument: argument) {
      self = .ago(span)
    } else {
      return nil
    }
  }

  /// The moment as the API takes it.
  func text(now: Timestamp) -> String {
    switch self {
    case .at(let time): time.description
    case .ago(let span): (now - .seconds(span.seconds)).description
    }
  }
}

/// The options of a list that may be too long to be shown whole.
struct PageOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only from then on: a UTC time such as 2026-01-31T09:30:00Z, or how long ago, such as 2h.",
      valueName: "time"))
  var since: Moment?
  @Option(
    name: .long, help: ArgumentHelp("Only before then; written like --since.", valueName: "time"))
  var until: Moment?
  @Option(name: .long, help: "How many to show at most.")
  var limit = 100

  func validate() throws {
    guard (1...100_000).contains(limit) else {
      throw ValidationError("--limit takes a number from 1 to 100000.")
    }
  }

  var query: APIPath.Query {
    let now = WallClock.system.now()
    return [("since", since?.text(now: now)), ("until", until?.text(now: now))]
  }
}

/// The options of a list that the API gives a page at a time: of which stores, when, and how much.
struct ListOptions: ParsableArguments {
  @Option(name: .long, help: "Only of this store hash.")
  var store: StoreHash?
  @OptionGroup var app: AppOptions
  @OptionGroup var page: PageOptions
  @Option(name: .long, help: "Go on where a list ended: its next.")
  var after: String?
  @OptionGroup var output: OutputOptions

  /// Reads the list, narrowed further by a query.
  ///
  /// - Returns: the rows, and where to go on if there are more.
  func rows(
    of path: String, _ query: APIPath.Query, on console: Console
  ) async throws -> (rows: [JSONValue], next: String?) {
    try await APIClient.with(console) { client in
      try await client.rows(
        path, [("store", store?.text), ("app", app.app?.text)] + query + page.query,
        atMost: page.limit, after: after, progress: console)
    }
  }
}

extension JSONValue {
  /// A member for a table: text as it is, a list with spaces, an object as `name=value`, nothing
  /// for null.
  func shown(_ name: String) -> String {
    JSONValue.shown(self[name] ?? .null)
  }

  private static func shown(_ value: JSONValue) -> String {
    switch value {
    case .string(let text), .number(let text): text
    case .bool(let isTrue): isTrue ? "yes" : "no"
    case .null: ""
    case .array(let values): values.map(shown).joined(separator: " ")
    case .object(let members):
      members.map { member in
        let text = shown(member.value)
        return "\(member.name)=\(text.isEmpty ? "-" : text)"
      }.joined(separator: " ")
    }
  }

  /// A whole list as one page of the API.
  static func list(_ rows: [JSONValue]) -> JSONValue {
    ["data": .array(rows), "next": .null]
  }
}
