/// One metric with all its series at one moment.
///
/// Which series there are is fixed when the program is written: a label takes its values from a
/// list, never from a request, a store or a caller.
package struct MetricFamily: Sendable {
  package enum Kind: String, Sendable {
    /// Only grows, from 0 at the start of the process.
    case counter
    case gauge
    case histogram
  }

  /// As in the exposition, with the endings that Prometheus asks for.
  package let name: String
  package let kind: Kind
  /// One sentence for people.
  package let help: String
  /// The names of the labels, in the order of each point's values.
  package let labels: [String]
  package let points: [MetricPoint]

  /// `labels` and the values of each point are as many.
  package init(
    _ name: String, _ kind: Kind, _ help: String, by labels: [String] = [], _ points: [MetricPoint]
  ) {
    precondition(points.allSatisfy { $0.labels.count == labels.count })
    self.name = name
    self.kind = kind
    self.help = help
    self.labels = labels
    self.points = points
  }

  /// A counter without labels.
  package static func counter(
    _ name: String, _ help: String, _ value: some BinaryInteger
  ) -> MetricFamily {
    MetricFamily(name, .counter, help, [MetricPoint([], Double(value))])
  }

  /// A counter with one label.
  package static func counter(
    _ name: String, _ help: String, by label: String, _ points: [MetricPoint]
  ) -> MetricFamily {
    MetricFamily(name, .counter, help, by: [label], points)
  }

  /// A gauge without labels.
  package static func gauge(_ name: String, _ help: String, _ value: Double) -> MetricFamily {
    MetricFamily(name, .gauge, help, [MetricPoint([], value)])
  }

  /// A gauge of something that is counted in whole numbers.
  package static func gauge(
    _ name: String, _ help: String, _ value: some BinaryInteger
  ) -> MetricFamily {
    gauge(name, help, Double(value))
  }
}

/// One series of a metric and what it is now.
package struct MetricPoint: Sendable {
  package enum Value: Hashable, Sendable {
    case number(Double)
    case histogram(Histogram.Reading)
  }

  /// The values of the metric's labels.
  package let labels: [String]
  package let value: Value

  package init(_ labels: [String], _ number: Double) {
    self.labels = labels
    value = .number(number)
  }

  package init(_ labels: [String], _ number: some BinaryInteger) {
    self.init(labels, Double(number))
  }

  package init(_ labels: [String], _ histogram: Histogram) {
    self.labels = labels
    value = .histogram(histogram.reading)
  }
}
