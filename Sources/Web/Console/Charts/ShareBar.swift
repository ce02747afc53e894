/// A bar whose parts show what a number is made of.
enum ShareBar {
  /// A part: its name, its class in the stylesheet, how many, and where to look at them.
  struct Part: Sendable {
    let name: String
    let style: String
    let count: Int64
    var link: String?
  }

  static let width = 1000.0

  /// What is not empty stays visible, however small it is.
  static func values(_ parts: [Part]) -> [PageValues] {
    let widths = widths(parts.map(\.count))
    var x = 0.0
    return zip(parts, widths).map { part, width in
      defer { x += width }
      var values: PageValues = [
        "partName": part.name, "style": part.style, "partCount": ConsoleWords.count(part.count),
        "partX": ChartNumber.decimal(x, 1), "partWidth": ChartNumber.decimal(width, 1),
        "isDrawn": width > 0,
      ]
      if let link = part.link { values["partLink"] = link }
      return values
    }
  }

  static func widths(_ counts: [Int64]) -> [Double] {
    let sum = counts.reduce(0, +)
    guard sum > 0 else { return counts.map { _ in 0 } }
    let least = 8.0
    let drawn = counts.map { $0 > 0 ? max(least, Double($0) / Double(sum) * width) : 0 }
    let whole = drawn.reduce(0, +)
    return drawn.map { $0 / whole * width }
  }
}
