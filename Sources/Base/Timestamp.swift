/// A moment in UTC with microsecond resolution, as PostgreSQL's `timestamptz` keeps it.
package struct Timestamp: Hashable, Sendable, Comparable {
  /// Microseconds since 1970-01-01T00:00:00Z.
  package let microseconds: Int64

  package init(microseconds: Int64) {
    self.microseconds = microseconds
  }

  /// Seconds since 1970, as BigCommerce's `iat`, `nbf` and `exp` count them.
  package init(seconds: Int64) {
    microseconds = seconds * 1_000_000
  }

  /// Before and after everything that happens, so far that something can be added.
  package static let distantPast = Timestamp(microseconds: .min / 2)
  package static let distantFuture = Timestamp(microseconds: .max / 2)

  /// Whole seconds since 1970, rounded down.
  package var seconds: Int64 {
    microseconds >= 0 ? microseconds / 1_000_000 : -((-microseconds + 999_999) / 1_000_000)
  }

  package static func < (left: Timestamp, right: Timestamp) -> Bool {
    left.microseconds < right.microseconds
  }

  package static func + (moment: Timestamp, duration: Duration) -> Timestamp {
    Timestamp(microseconds: moment.microseconds + duration.inMicroseconds)
  }

  package static func - (moment: Timestamp, duration: Duration) -> Timestamp {
    Timestamp(microseconds: moment.microseconds - duration.inMicroseconds)
  }

  package static func - (later: Timestamp, earlier: Timestamp) -> Duration {
    .microseconds(later.microseconds - earlier.microseconds)
  }
}

extension Timestamp: CustomStringConvertible {
  /// ISO 8601 in UTC with milliseconds and `Z`, for example `2026-11-21T01:02:03.456Z`.
  package var description: String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(24)
    append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Writes what ``description`` is.
  package func append(to bytes: inout [UInt8]) {
    let wholeSeconds = seconds
    let millisecond = (microseconds - wholeSeconds * 1_000_000) / 1000
    let day = wholeSeconds >= 0 ? wholeSeconds / 86400 : -((-wholeSeconds + 86399) / 86400)
    let second = wholeSeconds - day * 86400
    let date = CivilDate(daysSince1970: day)
    Timestamp.append(date.year, 1000, "-", to: &bytes)
    Timestamp.append(date.month, 10, "-", to: &bytes)
    Timestamp.append(date.day, 10, "T", to: &bytes)
    Timestamp.append(second / 3600, 10, ":", to: &bytes)
    Timestamp.append(second / 60 % 60, 10, ":", to: &bytes)
    Timestamp.append(second % 60, 10, ".", to: &bytes)
    Timestamp.append(millisecond, 100, "Z", to: &bytes)
  }

  /// Writes a number with zeros before it, as many digits as the power of ten has, and a mark.
  private static func append(
    _ number: Int64, _ powerOfTen: Int64, _ mark: Unicode.Scalar, to bytes: inout [UInt8]
  ) {
    if (0..<powerOfTen * 10).contains(number) {
      var place = powerOfTen
      while place > 0 {
        bytes.append(UInt8(ascii: "0") + UInt8(number / place % 10))
        place /= 10
      }
    } else {
      bytes.append(contentsOf: String(number).utf8)
    }
    bytes.append(UInt8(ascii: mark))
  }
}

/// A day of the Gregorian calendar.
package struct CivilDate {
  package let year: Int64
  /// 1 to 12.
  package let month: Int64
  /// 1 to 31.
  package let day: Int64

  /// Counts in eras of 400 years that begin on 1 March, so that the leap day is a year's last.
  package init(daysSince1970 days: Int64) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// Days since 1970-01-01; years begin on 1 March, so that the leap day is a year's last.
  package static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let monthFromMarch = (month + 9) % 12
    let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
    return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
  }
}

extension Duration {
  /// Whole microseconds, rounded towards zero.
  package var inMicroseconds: Int64 {
    components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
  }

  /// Whole milliseconds, rounded towards zero.
  package var inMilliseconds: Int64 { inMicroseconds / 1000 }

  /// Seconds with their fraction.
  package var inSeconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) / 1e18
  }
}

extension Timestamp {
  /// Reads ISO 8601 in UTC with `Z`, to the second or with up to six decimals; `nil` for any other
  /// form.
  package init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count >= 20, bytes.last == UInt8(ascii: "Z") else { return nil }
    for (place, mark) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")] {
      guard bytes[place] == UInt8(ascii: Unicode.Scalar(mark) ?? " ") else { return nil }
    }
    var numbers: [Int64] = []
    for range in [0..<4, 5..<7, 8..<10, 11..<13, 14..<16, 17..<19] {
      guard let number = Timestamp.number(bytes[range]) else { return nil }
      numbers.append(number)
    }
    guard (1970...9999).contains(numbers[0]), numbers[3] < 24, numbers[4] < 60, numbers[5] < 60
    else { return nil }
    let days = CivilDate.daysSince1970(year: numbers[0], month: numbers[1], day: numbers[2])
    let date = CivilDate(daysSince1970: days)
    // Anything else, such as 31 February, would be another day.
    guard date.month == numbers[1], date.day == numbers[2],
      let fraction = Timestamp.fraction(bytes[19..<(bytes.count - 1)])
    else { return nil }
    let seconds = days * 86400 + numbers[3] * 3600 + numbers[4] * 60 + numbers[5]
    self.init(microseconds: seconds * 1_000_000 + fraction)
  }

  /// Microseconds of a text such as `.25`, or of none.
  private static func fraction(_ bytes: ArraySlice<UInt8>) -> Int64? {
    guard let point = bytes.first else { return 0 }
    guard point == UInt8(ascii: "."), (2...7).contains(bytes.count) else { return nil }
    let digits = bytes.dropFirst() + Array(repeating: UInt8(ascii: "0"), count: 7 - bytes.count)
    return number(digits)
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
    guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return nil
    }
    return digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
  }
}
