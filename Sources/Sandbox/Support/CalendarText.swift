import Base

/// The ways in which BigCommerce writes moments.
enum CalendarText {
  private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// `Wed, 25 Jun 2025 05:22:10 +0000`, as on V2 orders.
  static func rfc2822(_ moment: Timestamp) -> String { dayAndTime(moment) + " +0000" }

  /// `Wed, 25 Jun 2025 05:22:10 GMT`, as in HTTP headers.
  static func httpDate(_ moment: Timestamp) -> String { dayAndTime(moment) + " GMT" }

  /// `2025-06-25T05:22:10+00:00`, as in V3.
  static func iso8601(_ moment: Timestamp) -> String {
    let parts = Parts(moment)
    return parts.date + "T" + parts.time + "+00:00"
  }

  /// `2025-06-25 05:22:10`, as on V2 customer groups.
  static func plain(_ moment: Timestamp) -> String {
    let parts = Parts(moment)
    return parts.date + " " + parts.time
  }

  /// Reads the date of an HTTP header or of an RFC 2822 text; the zone must be UTC.
  static func parseHTTPDate(_ text: String) -> Timestamp? {
    let words = text.split(separator: " ")
    guard words.count >= 5, let day = Int64(words[1]),
      let month = months.firstIndex(of: String(words[2])), let year = Int64(words[3])
    else { return nil }
    let clock = words[4].split(separator: ":").compactMap { Int64($0) }
    guard clock.count == 3, (1...31).contains(day) else { return nil }
    let days = daysSince1970(year: year, month: Int64(month) + 1, day: day)
    return Timestamp(seconds: days * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2])
  }

  /// Reads RFC 2822 or ISO 8601 (`2025-06-25` or `2025-06-25T05:22:10…`), in UTC.
  static func parse(_ text: String) -> Timestamp? {
    if let moment = parseHTTPDate(text) { return moment }
    let halves = text.split(separator: "T", maxSplits: 1)
    guard let date = halves.first?.split(separator: "-").compactMap({ Int64($0) }), date.count == 3
    else { return nil }
    let days = daysSince1970(year: date[0], month: date[1], day: date[2])
    let clock = (halves.dropFirst().first?.prefix(8) ?? "00:00:00").split(separator: ":")
      .compactMap { Int64($0) }
    guard clock.count == 3 else { return nil }
    return Timestamp(seconds: days * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2])
  }

  private static func dayAndTime(_ moment: Timestamp) -> String {
    let parts = Parts(moment)
    return days[Int(parts.daysSince1970 % 7)] + ", " + padded(parts.day) + " "
      + months[Int(parts.month) - 1] + " " + String(parts.year) + " " + parts.time
  }

  /// Counts years from March, so that the leap day is a year's last.
  private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func padded(_ number: Int64) -> String {
    number < 10 ? "0\(number)" : "\(number)"
  }

  /// Calendar fields of a moment after 1970, in UTC.
  private struct Parts {
    let daysSince1970: Int64
    let year: Int64
    let month: Int64
    let day: Int64
    let secondOfDay: Int64

    init(_ moment: Timestamp) {
      let seconds = max(0, moment.seconds)
      daysSince1970 = seconds / 86400
      secondOfDay = seconds % 86400
      let shifted = daysSince1970 + 719_468
      let era = shifted / 146_097
      let dayOfEra = shifted - era * 146_097
      let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
      let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
      let monthFromMarch = (5 * dayOfYear + 2) / 153
      day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
      month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
      year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var date: String { "\(year)-" + padded(month) + "-" + padded(day) }

    var time: String {
      padded(secondOfDay / 3600) + ":" + padded(secondOfDay / 60 % 60) + ":"
        + padded(secondOfDay % 60)
    }
  }
}
