import Base

/// The time that charts show: the last hour, day or week, in equal steps.
struct ChartSpan: Sendable {
  enum Length: String, CaseIterable, Sendable {
    case hour, day, week

    /// Seconds of a step.
    var step: Int64 { self == .hour ? 60 : 3600 }
    var steps: Int64 { self == .hour ? 60 : self == .day ? 24 : 168 }
    /// As `GET /v1/usage` calls it.
    var word: String { self == .hour ? "minute" : "hour" }
  }

  let length: Length
  /// When each step begins, the oldest first.
  let starts: [Timestamp]
  let until: Timestamp
  /// Each step in words, in UTC.
  private let names: [String]

  /// Ends with the minute or hour that has just begun.
  init(_ length: Length, now: Timestamp) {
    self.length = length
    let floor = now.seconds - now.seconds % length.step
    let end = floor + length.step
    let first = end - length.steps * length.step
    starts = (0..<length.steps).map { Timestamp(seconds: first + $0 * length.step) }
    until = now
    names = starts.map { start in
      let words = Self.words(start)
      let clock = words.last.map(String.init) ?? ""
      return length == .hour ? clock : words.prefix(2).joined(separator: " ") + ", " + clock
    }
  }

  var since: Timestamp { starts.first ?? until }

  /// The place of a step, by when it began.
  func index(of start: Timestamp) -> Int? {
    let index = (start.seconds - since.seconds) / length.step
    return starts.indices.contains(Int(index)) ? Int(index) : nil
  }

  /// How many minutes of a step have passed, one at least.
  func minutes(_ index: Int) -> Double {
    max(1, min(Double(length.step), (until - starts[index]).inSeconds) / 60)
  }

  /// A step in words, in UTC.
  func name(_ index: Int) -> String { names[index] }

  /// What stands below the chart, at equal distances from its beginning to its end.
  var labels: [String] {
    let parts: Int64 = length == .week ? 7 : 4
    let whole = length.steps * length.step
    return (0...parts).map { part in
      let moment = Timestamp(seconds: since.seconds + whole * part / parts)
      return length == .week ? Self.day(moment) : Self.clock(moment)
    }
  }

  private static func words(_ moment: Timestamp) -> [Substring] {
    let value = ConsoleWords.moment(.string(moment.description))
    return (value?["text"] as? String ?? "").split(separator: " ")
  }

  /// `17:05`.
  static func clock(_ moment: Timestamp) -> String { words(moment).last.map(String.init) ?? "" }

  /// `21 Nov`.
  static func day(_ moment: Timestamp) -> String {
    words(moment).prefix(2).joined(separator: " ")
  }
}
