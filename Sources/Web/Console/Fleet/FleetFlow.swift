import Base

/// What came in, went out and waited, of all stores of all apps, as charts.
struct FleetFlow: Sendable {
  private let span: ChartSpan
  /// One for each step; `nil` where no replica was there.
  private let steps: [JSONValue?]

  /// - Throws: what the API refuses with.
  init(_ api: ConsoleAPI, _ span: ChartSpan) async throws(Problem) {
    self.span = span
    let rows = try await api.get(
      "/v1/flow",
      [
        ("since", span.since.description), ("until", span.until.description),
        ("step", span.length.word), ("limit", "1000"),
      ])
    var steps = [JSONValue?](repeating: nil, count: span.starts.count)
    for row in rows["data"]?.array ?? [] {
      guard let start = row["starts_at"]?.string.flatMap({ Timestamp($0) }),
        let index = span.index(of: start)
      else { continue }
      steps[index] = row
    }
    self.steps = steps
  }

  var values: PageValues {
    ["flowCharts": charts.map(\.values), "flowRows": rows]
  }

  private var charts: [TimeChart] {
    [
      TimeChart(
        id: "deliveries", heading: "Deliveries per minute", form: .bars, unit: .count,
        series: [
          rate("taken", "good", "deliveries_taken"), rate("refused", "bad", "deliveries_refused"),
        ], span: span),
      TimeChart(
        id: "events", heading: "Events per minute", form: .area, unit: .count,
        series: [rate("into the feed", "one", "events")], span: span),
      TimeChart(
        id: "pushes", heading: "Pushes per minute", form: .bars, unit: .count,
        series: [rate("made", "good", "pushes_made"), rate("failed", "bad", "pushes_failed")],
        span: span),
      TimeChart(
        id: "waiting", heading: "Pushes that wait", form: .lines, unit: .count,
        series: [
          level("to be made", "one", "pushes_pending"), level("dead letters", "two", "pushes_dead"),
        ], span: span),
      TimeChart(
        id: "behind", heading: "Events that wait", form: .lines, unit: .count,
        series: [
          level("for their place", "one", "pending_events"),
          level("for the slowest subscription", "two", "behind_events"),
        ], span: span),
      TimeChart(
        id: "lag", heading: "How late the oldest is", form: .lines, unit: .seconds,
        series: [
          level("event", "one", "feed_lag_seconds"), level("push", "two", "push_lag_seconds"),
        ], span: span),
    ]
  }

  private func number(_ index: Int, _ field: String) -> Double? {
    guard case .number(let text)? = steps[index]?[field] else { return nil }
    return Double(text)
  }

  private func rate(_ name: String, _ style: String, _ field: String) -> TimeChart.Series {
    TimeChart.Series(
      name: name, style: style,
      values: steps.indices.map { (number($0, field) ?? 0) / span.minutes($0) })
  }

  /// What was seen at most; there is none where nobody looked.
  private func level(_ name: String, _ style: String, _ field: String) -> TimeChart.Series {
    TimeChart.Series(name: name, style: style, values: steps.indices.map { number($0, field) })
  }

  /// The same in words, newest first; steps in which nothing came, went or waited are left out.
  private var rows: [PageValues] {
    let fields = [
      "deliveries_taken", "deliveries_refused", "events", "pushes_made", "pushes_failed",
      "pending_events", "behind_events", "pushes_pending", "pushes_dead",
    ]
    return steps.indices.reversed().compactMap { index in
      let counts = fields.map { steps[index]?[$0]?.integer ?? 0 }
      guard counts.contains(where: { $0 > 0 }) else { return nil }
      return [
        "when": span.name(index), "iso": span.starts[index].description,
        "counts": counts.map { ConsoleWords.count($0) },
      ]
    }
  }
}
