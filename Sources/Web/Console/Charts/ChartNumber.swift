/// Numbers as charts write them: short, with a unit.
enum ChartNumber {
  /// What a number counts.
  enum Unit: Sendable {
    case count
    case seconds
  }

  static func text(_ value: Double, _ unit: Unit) -> String {
    switch unit {
    case .count: count(value)
    case .seconds: seconds(value)
    }
  }

  /// `0`, `0.4`, `27`, `1.2 k`, `3 M`.
  static func count(_ value: Double) -> String {
    switch value {
    case 1_000_000...: short(value / 1_000_000) + "\u{202F}M"
    case 10_000...: short(value / 1000) + "\u{202F}k"
    case 1000...: ConsoleWords.count(Int64(value.rounded()))
    case let some where some > 0 && some < 0.005: "< 0.01"
    default: short(value)
    }
  }

  /// `0`, `8 ms`, `250 ms`, `2.5 s`.
  static func seconds(_ value: Double) -> String {
    guard value > 0 else { return "0" }
    return value < 1 ? short(value * 1000) + "\u{202F}ms" : short(value) + "\u{202F}s"
  }

  /// `12 %`, `0.03 %`; `nil` of nothing.
  static func share(_ part: Int64, of whole: Int64) -> String? {
    guard whole > 0 else { return nil }
    let percent = Double(part) / Double(whole) * 100
    let text = part > 0 && percent < 0.01 ? "< 0.01" : decimal(percent, percent < 1 ? 2 : 1)
    return text + "\u{202F}%"
  }

  /// Three digits at most, as far as they matter.
  private static func short(_ value: Double) -> String {
    decimal(value, value < 1 ? 2 : value < 100 ? 1 : 0)
  }

  /// At most so many digits behind the point, without zeros at the end.
  static func decimal(_ value: Double, _ digits: Int) -> String {
    let factor = [1, 10, 100, 1000][min(max(digits, 0), 3)]
    let scaled = Int64((value.magnitude * Double(factor)).rounded())
    var text = String(scaled / Int64(factor))
    var fraction = String(scaled % Int64(factor))
    fraction = String(repeating: "0", count: max(0, digits - fraction.count)) + fraction
    while fraction.hasSuffix("0") { fraction.removeLast() }
    if factor > 1, !fraction.isEmpty { text += "." + fraction }
    return value < 0 && scaled > 0 ? "−" + text : text
  }
}
