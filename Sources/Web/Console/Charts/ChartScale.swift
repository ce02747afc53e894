/// The upright axis of a chart: from zero to a round number, in four equal steps.
struct ChartScale: Hashable, Sendable {
  static let steps = 4

  /// What the axis ends with.
  let top: Double

  /// The smallest round top that holds `highest`; 4 when there is nothing to show.
  init(highest: Double) {
    guard highest > 0, highest.isFinite else {
      top = 4
      return
    }
    let wanted = highest / Double(Self.steps)
    var unit = 1.0
    while unit > wanted { unit /= 10 }
    while unit * 10 <= wanted { unit *= 10 }
    let step = [1, 2, 2.5, 5, 10].first { $0 * unit >= wanted * (1 - 1e-9) } ?? 10
    top = step * unit * Double(Self.steps)
  }

  /// The values of the grid's lines, the highest first.
  var ticks: [Double] {
    (0...Self.steps).reversed().map { top * Double($0) / Double(Self.steps) }
  }

  /// How far from the upper edge a value is, of a chart so high.
  func place(_ value: Double, height: Double) -> Double {
    height * (1 - min(max(value / top, 0), 1))
  }
}
