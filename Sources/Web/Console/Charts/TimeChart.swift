import Base

/// A chart over time, drawn as SVG that a page stretches to its width.
///
/// Words stand beside the drawing and not in it, so they keep their size. What a colour is, the
/// stylesheet says.
struct TimeChart: Sendable {
  static let width = 1000.0
  static let height = 200.0

  enum Form: Sendable {
    /// Lines, the first one with its area filled.
    case area
    case lines
    /// Bars, one series upon the other.
    case bars
  }

  /// What is shown in one colour.
  struct Series: Sendable {
    let name: String
    /// A class of the stylesheet.
    let style: String
    /// One for each step; `nil` where there is nothing to tell.
    let values: [Double?]
  }

  /// Names it within its page.
  let id: String
  let heading: String
  let form: Form
  let unit: ChartNumber.Unit
  let series: [Series]
  let span: ChartSpan
  let scale: ChartScale

  init(
    id: String, heading: String, form: Form, unit: ChartNumber.Unit, series: [Series],
    span: ChartSpan
  ) {
    self.id = id
    self.heading = heading
    self.form = form
    self.unit = unit
    self.series = series
    self.span = span
    let heights = span.starts.indices.map { index in
      let values = series.compactMap { Self.value($0, index) }
      return form == .bars ? values.reduce(0, +) : values.max() ?? 0
    }
    scale = ChartScale(highest: heights.max() ?? 0)
  }

  private var count: Int { span.starts.count }
  private var stride: Double { Self.width / Double(max(count, 1)) }

  private static func value(_ series: Series, _ index: Int) -> Double? {
    series.values.indices.contains(index) ? series.values[index] : nil
  }

  // MARK: Drawing

  /// The middle of a step, and a value's height.
  private func point(_ index: Int, _ value: Double) -> String {
    Self.number((Double(index) + 0.5) * stride) + " "
      + Self.number(scale.place(value, height: Self.height))
  }

  /// Pieces without a gap; each is a list of steps.
  private func runs(_ series: Series) -> [[Int]] {
    var runs: [[Int]] = [[]]
    for index in 0..<count {
      if Self.value(series, index) == nil {
        if runs.last?.isEmpty == false { runs.append([]) }
      } else {
        runs[runs.count - 1].append(index)
      }
    }
    return runs.filter { !$0.isEmpty }
  }

  /// The line of a series; a step that stands alone is a short dash.
  func line(_ series: Series) -> String {
    runs(series).map { run in
      if run.count == 1, let index = run.first, let value = Self.value(series, index) {
        let height = Self.number(scale.place(value, height: Self.height))
        return "M\(Self.number(Double(index) * stride)) \(height)h\(Self.number(stride))"
      }
      return "M"
        + run.compactMap { index in Self.value(series, index).map { point(index, $0) } }
        .joined(separator: "L")
    }.joined()
  }

  /// The area below the line.
  func area(_ series: Series) -> String {
    runs(series).filter { $0.count > 1 }.map { run in
      let top = run.compactMap { index in Self.value(series, index).map { point(index, $0) } }
      let first = Self.number((Double(run[0]) + 0.5) * stride)
      let last = Self.number((Double(run[run.count - 1]) + 0.5) * stride)
      let floor = Self.number(Self.height)
      return "M\(first) \(floor)L\(top.joined(separator: "L"))L\(last) \(floor)Z"
    }.joined()
  }

  /// The bars of one series, above those that come before it.
  func bars(_ place: Int) -> String {
    let inset = stride * 0.12
    return (0..<count).compactMap { index -> String? in
      guard let value = Self.value(series[place], index), value > 0 else { return nil }
      let below = series[..<place].compactMap { Self.value($0, index) }.reduce(0, +)
      let top = scale.place(below + value, height: Self.height)
      let foot = scale.place(below, height: Self.height)
      return "M\(Self.number(Double(index) * stride + inset)) \(Self.number(foot))"
        + "V\(Self.number(top))h\(Self.number(stride - 2 * inset))V\(Self.number(foot))Z"
    }.joined()
  }

  /// At most one digit behind the point.
  private static func number(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    let whole = tenths / 10
    return tenths % 10 == 0 ? String(whole) : "\(whole).\(abs(tenths % 10))"
  }

  // MARK: For the page

  var values: PageValues {
    var values: PageValues = [
      "chartID": id, "heading": heading, "ticks": scale.ticks.map { ChartNumber.text($0, unit) },
      "gridlines": (0...ChartScale.steps).map {
        Self.number(Self.height * Double($0) / Double(ChartScale.steps))
      },
      "times": span.labels, "steps": (0..<count).map(step),
      "legend": series.map(entry), "isDense": span.labels.count > 6,
    ]
    let drawn = series.indices.map { index -> PageValues in
      ["style": series[index].style, "d": form == .bars ? bars(index) : line(series[index])]
    }
    values[form == .bars ? "fills" : "lines"] = drawn
    if form == .area, let first = series.first {
      values["fills"] = [["style": first.style, "d": area(first)] as PageValues]
    }
    return values
  }

  /// A step as the pointer finds it.
  private func step(_ index: Int) -> PageValues {
    let told = series.compactMap { series in
      Self.value(series, index).map { "\(series.name) \(ChartNumber.text($0, unit))" }
    }
    return [
      "x": Self.number(Double(index) * stride), "w": Self.number(stride),
      "tip": span.name(index) + (told.isEmpty ? "" : ": " + told.joined(separator: ", ")),
    ]
  }

  private func entry(_ series: Series) -> PageValues {
    let highest = series.values.compactMap { $0 }.max()
    return [
      "name": series.name, "style": series.style,
      "most": highest.map { ChartNumber.text($0, unit) } ?? "–",
    ]
  }
}
