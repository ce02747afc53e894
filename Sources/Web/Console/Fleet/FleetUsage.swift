import Base

/// What the calls of all stores of an app came to, as figures and charts.
struct FleetUsage: Sendable {
  /// What one step came to.
  private struct Step: Sendable {
    var calls: Int64 = 0
    var rejected: Int64 = 0
    var throttled: Int64 = 0
    var failed: Int64 = 0
    var refused: Int64 = 0
    var latencies: [Double?] = [nil, nil, nil]

    init() {}

    init(_ row: JSONValue) {
      func count(_ name: String) -> Int64 { row[name]?.integer ?? 0 }
      calls = count("calls")
      rejected = count("rejected")
      throttled = count("throttled")
      failed = count("failed")
      refused = count("refused")
      latencies = ["p50", "p95", "p99"].map { name in
        guard case .number(let text)? = row["latency"]?[name] else { return nil }
        return Double(text)
      }
    }

    var errors: Int64 { rejected + failed + refused }
  }

  private let span: ChartSpan
  private let steps: [Step]
  /// Of the whole time.
  private let sum: Step

  /// - Throws: what the API refuses with.
  init(
    _ api: ConsoleAPI, app: String, _ span: ChartSpan, now: Timestamp
  ) async throws(Problem) {
    self.span = span
    let since = [("app", app), ("since", span.since.description)]
    let rows = try await api.get(
      "/v1/usage",
      since + [
        ("until", span.until.description), ("step", span.length.word), ("limit", "1000"),
      ])
    var steps = [Step](repeating: Step(), count: span.starts.count)
    for row in rows["data"]?.array ?? [] {
      guard let start = row["starts_at"]?.string.flatMap({ Timestamp($0) }),
        let index = span.index(of: start)
      else { continue }
      steps[index] = Step(row)
    }
    self.steps = steps
    let total = try await api.get(
      "/v1/usage", since + [("until", now.description), ("step", "total")])
    sum = total["data"]?.array?.first.map { Step($0) } ?? Step()
  }

  var values: PageValues {
    [
      "figures": figures, "charts": charts.map(\.values), "rows": rows,
      "hasCalls": sum.calls > 0,
    ]
  }

  // MARK: Figures

  private var figures: [PageValues] {
    let minutes = Double(span.length.steps * span.length.step) / 60
    func figure(_ name: String, _ value: String, _ note: String, _ tone: String = "") -> PageValues
    {
      var values: PageValues = ["figureName": name, "figure": value, "figureNote": note]
      if !tone.isEmpty { values["tone"] = tone }
      return values
    }
    func share(_ part: Int64) -> String {
      ChartNumber.share(part, of: sum.calls).map { "\($0) of calls" } ?? "no calls"
    }
    func latency(_ place: Int) -> String {
      sum.latencies[place].map { ChartNumber.seconds($0) } ?? "–"
    }
    return [
      figure(
        "Calls", ConsoleWords.count(sum.calls),
        "\(ChartNumber.count(Double(sum.calls) / minutes)) a minute"),
      figure(
        "Errors", ConsoleWords.count(sum.errors), share(sum.errors), sum.errors > 0 ? "bad" : ""),
      figure(
        "Throttled", ConsoleWords.count(sum.throttled), share(sum.throttled),
        sum.throttled > 0 ? "warn" : ""),
      figure("Latency, median", latency(0), "until the answer’s head"),
      figure("Latency, 95 %", latency(1), "99 %: \(latency(2))"),
    ]
  }

  // MARK: Charts

  private var charts: [TimeChart] {
    [
      TimeChart(
        id: "calls", heading: "Calls per minute", form: .area, unit: .count,
        series: [rate("calls", "one") { $0.calls }], span: span),
      TimeChart(
        id: "errors", heading: "Errors per minute", form: .bars, unit: .count,
        series: [
          rate("failed", "bad") { $0.failed }, rate("rejected", "warn") { $0.rejected },
          rate("refused", "none") { $0.refused },
        ], span: span),
      TimeChart(
        id: "throttling", heading: "Throttled per minute", form: .bars, unit: .count,
        series: [rate("throttled", "two") { $0.throttled }], span: span),
      TimeChart(
        id: "latency", heading: "Latency", form: .lines, unit: .seconds,
        series: [
          latency("median", "one", 0), latency("95 %", "two", 1), latency("99 %", "three", 2),
        ], span: span),
    ]
  }

  private func rate(
    _ name: String, _ style: String, _ count: (Step) -> Int64
  ) -> TimeChart.Series {
    TimeChart.Series(
      name: name, style: style,
      values: steps.indices.map { Double(count(steps[$0])) / span.minutes($0) })
  }

  private func latency(_ name: String, _ style: String, _ place: Int) -> TimeChart.Series {
    TimeChart.Series(name: name, style: style, values: steps.map { $0.latencies[place] })
  }

  /// The same in words, newest first; steps without calls are left out.
  private var rows: [PageValues] {
    steps.indices.reversed().filter { steps[$0].calls > 0 }.map { index in
      let step = steps[index]
      func latency(_ place: Int) -> String {
        step.latencies[place].map { ChartNumber.seconds($0) } ?? "–"
      }
      return [
        "when": span.name(index), "iso": span.starts[index].description,
        "calls": ConsoleWords.count(step.calls), "failed": ConsoleWords.count(step.failed),
        "rejected": ConsoleWords.count(step.rejected), "refused": ConsoleWords.count(step.refused),
        "throttled": ConsoleWords.count(step.throttled), "p50": latency(0), "p95": latency(1),
        "p99": latency(2),
      ]
    }
  }
}
