import Testing

@testable import Prometheus

@Suite struct `Metrics in text` {
  private func text(_ families: MetricFamily...) -> String {
    String(decoding: Exposition(families).bytes, as: UTF8.self)
  }

  @Test func `a metric has its help, its type and one line for each series`() {
    #expect(
      text(
        .counter(
          "calls_total", "Calls.", by: "kind",
          [
            MetricPoint(["a"], 3), MetricPoint(["b"], UInt64(1) << 53),
          ]),
        .gauge("age_seconds", "Age.", 0.25))
          == """
          # HELP calls_total Calls.
          # TYPE calls_total counter
          calls_total{kind="a"} 3
          calls_total{kind="b"} 9007199254740992
          # HELP age_seconds Age.
          # TYPE age_seconds gauge
          age_seconds 0.25

          """)
  }

  @Test func `what would break a line is escaped`() {
    #expect(
      text(MetricFamily("x", .gauge, "a\\b\n\"c\"", by: ["l"], [MetricPoint(["\\\n\""], 1)]))
        == """
        # HELP x a\\\\b\\n"c"
        # TYPE x gauge
        x{l="\\\\\\n\\""} 1

        """)
  }

  @Test func `numbers without end are written as Go reads them`() {
    let said = [Double.infinity, -.infinity, .nan, 1e-9, -0.5, 1e300].map {
      text(.gauge("x", "X.", $0)).split(separator: "\n").last
    }
    #expect(said == ["x +Inf", "x -Inf", "x NaN", "x 1e-09", "x -0.5", "x 1e+300"])
  }

  @Test func `a histogram's buckets add up, and hold their bound`() {
    let histogram = Histogram(milliseconds: [0, 10, 2500])
    for microseconds in [-5, 0, 0, 1, 10_000, 10_001, 2_500_000, 9_000_000] {
      histogram.observe(.microseconds(microseconds))
    }
    #expect(
      text(MetricFamily("w_seconds", .histogram, "W.", by: ["p"], [MetricPoint(["a"], histogram)]))
        == """
        # HELP w_seconds W.
        # TYPE w_seconds histogram
        w_seconds_bucket{p="a",le="0"} 3
        w_seconds_bucket{p="a",le="0.01"} 5
        w_seconds_bucket{p="a",le="2.5"} 7
        w_seconds_bucket{p="a",le="+Inf"} 8
        w_seconds_sum{p="a"} 11.520002
        w_seconds_count{p="a"} 8

        """)
  }

  @Test func `counts that come from many tasks at once are all there`() async {
    let table = CounterTable()
    let histogram = Histogram(milliseconds: [1, 2])
    let tally = Tally<Word>()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for number in 0..<1000 {
            table.add(at: number % CounterTable.places)
            histogram.observe(.milliseconds(number % 3))
            tally.count(number.isMultiple(of: 2) ? .even : .odd)
          }
        }
      }
    }
    #expect((0..<CounterTable.places).reduce(0) { $0 + table[$1] } == 8000)
    #expect(histogram.reading.count == 8000 && histogram.reading.sum == 7.992)
    #expect(tally[.even] == 4000 && tally[.odd] == 4000)
    #expect(tally.points.map(\.labels) == [["even"], ["odd"]])
  }
}

private enum Word: String, MetricWord { case even, odd }
