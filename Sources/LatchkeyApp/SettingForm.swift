/// How a value is written: what is accepted, and how it is shown.
struct SettingForm<Value: Sendable>: Sendable {
  /// What would be right, to follow "expected".
  let expectation: String
  /// `nil` when the text is not of this form.
  let read: @Sendable (String) -> Value?
  /// The text that reads back as the value.
  let write: @Sendable (Value) -> String
}

extension SettingForm where Value == Duration {
  static func duration(_ range: ClosedRange<Duration>) -> SettingForm {
    SettingForm(
      expectation: "a duration such as 250ms, 1s, 5m or 2h, from \(range.lowerBound.settingText) "
        + "to \(range.upperBound.settingText)",
      read: { text in Duration(settingText: text).flatMap { range.contains($0) ? $0 : nil } },
      write: { $0.settingText })
  }
}

extension SettingForm where Value == [Duration] {
  /// Delays between attempts, separated by commas.
  static let schedule = SettingForm(
    expectation: "1 to 50 durations of 1s to 168h, separated by commas",
    read: { text in
      let parts = text.split(separator: ",", omittingEmptySubsequences: false)
      let delays = parts.compactMap { Duration(settingText: String($0).trimmed) }
      let allowed = Duration.seconds(1) ... .seconds(168 * 3600)
      guard delays.count == parts.count, (1...50).contains(delays.count) else { return nil }
      return delays.allSatisfy(allowed.contains) ? delays : nil
    },
    write: { $0.map(\.settingText).joined(separator: ",") })
}

extension SettingForm where Value == Int {
  static func integer(_ range: ClosedRange<Int>, unit: String = "") -> SettingForm {
    SettingForm(
      expectation: "a whole number\(unit) from \(range.lowerBound) to \(range.upperBound)",
      read: { text in
        guard !text.isEmpty, text.utf8.count <= 12, text.utf8.allSatisfy(\.isASCIIDigit) else {
          return nil
        }
        return Int(text).flatMap { range.contains($0) ? $0 : nil }
      },
      write: { String($0) })
  }
}

extension SettingForm where Value == Bool {
  static let flag = SettingForm(
    expectation: "true or false",
    read: { text in
      switch text.lowercased() {
      case "true", "yes", "on", "1": true
      case "false", "no", "off", "0": false
      default: nil
      }
    },
    write: { $0 ? "true" : "false" })
}

extension SettingForm where Value == Bool {
  static let onOff = SettingForm(
    expectation: "on or off", read: { flag.read($0) }, write: { $0 ? "on" : "off" })
}

extension SettingForm where Value == String {
  /// Any line of text that a person would write.
  static func line(upTo limit: Int) -> SettingForm {
    SettingForm(
      expectation: "one line of at most \(limit) characters",
      read: { text in
        let isLine = text.unicodeScalars.allSatisfy { !$0.properties.isControl }
        return isLine && text.count <= limit && text == text.trimmed && !text.isEmpty ? text : nil
      },
      write: { $0 })
  }

  /// Printable ASCII without spaces, such as an identifier that a platform gave out.
  static func token(upTo limit: Int) -> SettingForm {
    SettingForm(
      expectation: "1 to \(limit) printable characters without spaces",
      read: { $0.isToken && $0.utf8.count <= limit ? $0 : nil }, write: { $0 })
  }

  static let color = SettingForm(
    expectation: "a colour such as #1a2b3c",
    read: { text in
      let digits = text.dropFirst()
      let isColor =
        text.hasPrefix("#") && [3, 6].contains(digits.utf8.count)
        && digits.utf8.allSatisfy(\.isASCIIHexDigit)
      return isColor ? text.lowercased() : nil
    },
    write: { $0 })
}

extension SettingForm where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
  /// One of a few fixed words.
  static var word: SettingForm {
    let words = Value.allCases.map(\.rawValue)
    return SettingForm(
      expectation: words.dropLast().joined(separator: ", ") + " or " + (words.last ?? ""),
      read: { Value(rawValue: $0.lowercased()) }, write: { $0.rawValue })
  }
}

extension Duration {
  /// Reads `250ms`, `1s`, `5m` or `2h`: a whole number and one of these units.
  init?(settingText text: String) {
    let digits = text.utf8.prefix(while: \.isASCIIDigit)
    guard (1...9).contains(digits.count), let number = Int64(Substring(digits)) else { return nil }
    switch text.dropFirst(digits.count) {
    case "ms": self = .milliseconds(number)
    case "s": self = .seconds(number)
    case "m": self = .seconds(number * 60)
    case "h": self = .seconds(number * 3600)
    default: return nil
    }
  }

  /// The shortest text that reads back as this duration, which must be whole milliseconds.
  var settingText: String {
    let milliseconds = components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    let units: [(Int64, String)] = [(3_600_000, "h"), (60_000, "m"), (1000, "s")]
    for (size, unit) in units where milliseconds != 0 && milliseconds.isMultiple(of: size) {
      return "\(milliseconds / size)\(unit)"
    }
    return milliseconds == 0 ? "0s" : "\(milliseconds)ms"
  }
}

extension String {
  var trimmed: String {
    var text = self[...]
    while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
    while let last = text.last, last == " " || last == "\t" { text.removeLast() }
    return String(text)
  }

  /// At least one character, all printable ASCII, no space.
  var isToken: Bool { !isEmpty && utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } }
}

extension UInt8 {
  var isASCIIDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

  var isASCIIHexDigit: Bool {
    isASCIIDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self | 0x20)
  }
}

extension Unicode.Scalar.Properties {
  var isControl: Bool { generalCategory == .control || generalCategory == .lineSeparator }
}
