/// Prometheus' text format, version 0.0.4.
///
/// - Source: https://prometheus.io/docs/instrumenting/exposition_formats/
package struct Exposition {
  package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// The whole page, in UTF-8.
  package private(set) var bytes: [UInt8] = []

  package init(_ families: [MetricFamily]) {
    bytes.reserveCapacity(64 * 1024)
    for family in families { append(family) }
  }

  private mutating func append(_ family: MetricFamily) {
    append("# HELP \(family.name) \(Self.escaped(family.help, quotes: false))\n")
    append("# TYPE \(family.name) \(family.kind.rawValue)\n")
    for point in family.points {
      let labels = zip(family.labels, point.labels).map { (name: $0, value: $1) }
      switch point.value {
      case .number(let number): append(family.name, labels, number)
      case .histogram(let reading): append(family.name, labels, reading)
      }
    }
  }

  private mutating func append(
    _ name: String, _ labels: [(name: String, value: String)], _ reading: Histogram.Reading
  ) {
    for bucket in reading.buckets {
      append("\(name)_bucket", labels + [("le", Self.text(bucket.bound))], Double(bucket.count))
    }
    append("\(name)_bucket", labels + [("le", "+Inf")], Double(reading.count))
    append("\(name)_sum", labels, reading.sum)
    append("\(name)_count", labels, Double(reading.count))
  }

  private mutating func append(
    _ name: String, _ labels: [(name: String, value: String)], _ number: Double
  ) {
    append(name)
    if !labels.isEmpty {
      let pairs = labels.map { "\($0.name)=\"\(Self.escaped($0.value, quotes: true))\"" }
      append("{\(pairs.joined(separator: ","))}")
    }
    append(" \(Self.text(number))\n")
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// Backslashes and line ends are escaped everywhere, quotes in the values of labels only.
  private static func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// As Go reads floating point numbers, whole ones without a fraction.
  private static func text(_ number: Double) -> String {
    if number.isNaN { return "NaN" }
    if number.isInfinite { return number > 0 ? "+Inf" : "-Inf" }
    return Int64(exactly: number).map { String($0) } ?? number.description
  }
}
