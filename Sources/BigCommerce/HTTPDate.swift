package import Base

/// The date of HTTP headers (RFC 9110 5.6.7), for example `Sun, 06 Nov 1994 08:49:37 GMT`.
package enum HTTPDate {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// The moment, or `nil` for any other form.
  ///
  /// The obsolete forms are not read, and the day of the week is not checked.
  package static func read(_ text: String) -> Timestamp? {
    let bytes = Array(text.utf8)
    guard bytes.count == 29, text.hasSuffix(" GMT"),
      fixed(bytes, [3: ",", 4: " ", 7: " ", 11: " "]),
      fixed(bytes, [16: " ", 19: ":", 22: ":"]),
      let day = number(bytes[5..<7]), let year = number(bytes[12..<16]),
      let hour = number(bytes[17..<19]), let minute = number(bytes[20..<22]),
      let second = number(bytes[23..<25]),
      let month = months.firstIndex(of: String(decoding: bytes[8..<11], as: UTF8.self))
    else { return nil }
    guard (1...31).contains(day), (1970...9999).contains(year), hour < 24, minute < 60, second <= 60
    else { return nil }
    let days = CivilDate.daysSince1970(year: year, month: Int64(month) + 1, day: day)
    return Timestamp(seconds: days * 86400 + hour * 3600 + minute * 60 + second)
  }

  private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

  /// The moment as HTTP writes it, to the second; from 1970 on.
  package static func text(_ moment: Timestamp) -> String {
    let seconds = moment.seconds
    let day = seconds / 86400
    let date = CivilDate(daysSince1970: day)
    let time = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60].map(twoDigits)
    let weekday = weekdays[Int(day % 7)]
    return "\(weekday), \(twoDigits(date.day)) \(months[Int(date.month) - 1]) \(date.year) "
      + time.joined(separator: ":") + " GMT"
  }

  private static func twoDigits(_ number: Int64) -> String {
    number < 10 ? "0\(number)" : "\(number)"
  }

  private static func fixed(_ bytes: [UInt8], _ places: [Int: Unicode.Scalar]) -> Bool {
    places.allSatisfy { bytes[$0.key] == UInt8(ascii: $0.value) }
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
    guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return nil
    }
    return digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
  }
}
