package import Base

/// The ways in which BigCommerce writes moments in the records of its APIs.
package enum PlatformTime {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// Reads RFC 2822 (`Wed, 25 Jun 2025 05:22:10 +0000`, V2) or ISO 8601
  /// (`2025-06-25T05:22:10+00:00`, V3), to the second; without a zone it is UTC.
  ///
  /// `nil` for any other form, and for what is no moment from 1970 to 9999.
  package static func read(_ text: String) -> Timestamp? {
    text.contains(",") ? rfc2822(text) : iso8601(text)
  }

  /// As filters take it: ISO 8601 in UTC, to the second, rounded down.
  package static func filter(_ moment: Timestamp) -> String {
    Timestamp(seconds: moment.seconds).description.prefix { $0 != "." } + "Z"
  }

  private static func rfc2822(_ text: String) -> Timestamp? {
    let words = text.split(separator: " ")
    guard words.count == 6, let month = months.firstIndex(of: String(words[2])),
      let day = Int64(words[1]), let year = Int64(words[3]),
      let offset = offset(words[5] == "GMT" ? "Z" : words[5])
    else { return nil }
    return moment(year, Int64(month) + 1, day, words[4], offset)
  }

  private static func iso8601(_ text: String) -> Timestamp? {
    let halves = text.split(separator: "T", omittingEmptySubsequences: false)
    let date = halves[0].split(separator: "-").compactMap { Int64($0) }
    guard halves.count == 2, date.count == 3 else { return nil }
    let time = halves[1].prefix { !"Z+-".contains($0) }
    guard let offset = offset(halves[1].dropFirst(time.count)) else { return nil }
    return moment(date[0], date[1], date[2], time.prefix { $0 != "." }, offset)
  }

  /// Seconds east of Greenwich of `Z`, `+hhmm`, `-hh:mm` or nothing.
  private static func offset(_ text: Substring) -> Int64? {
    guard let sign = text.first, sign != "Z" else { return text.count <= 1 ? 0 : nil }
    let digits = text.dropFirst().filter { $0 != ":" }
    guard sign == "+" || sign == "-", digits.utf8.count == 4, let number = Int64(digits),
      number >= 0, number % 100 < 60
    else { return nil }
    let seconds = number / 100 * 3600 + number % 100 * 60
    return sign == "-" ? -seconds : seconds
  }

  private static func moment(
    _ year: Int64, _ month: Int64, _ day: Int64, _ time: Substring, _ offset: Int64
  ) -> Timestamp? {
    let clock = time.split(separator: ":").compactMap { Int64($0) }
    guard clock.count == 3, (0..<24).contains(clock[0]), (0..<60).contains(clock[1]),
      (0...60).contains(clock[2]), (1970...9999).contains(year), (1...12).contains(month)
    else { return nil }
    let days = CivilDate.daysSince1970(year: year, month: month, day: day)
    let date = CivilDate(daysSince1970: days)
    guard date.month == month, date.day == day else { return nil }
    return Timestamp(
      seconds: days * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2] - offset)
  }
}
