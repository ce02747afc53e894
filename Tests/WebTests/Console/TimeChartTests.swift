import Base
import Testing

@testable import Web

@Suite struct `A chart of the console` {
  private static let now = Timestamp(seconds: 1_800_000_000 + 37)

  private func chart(
    _ form: TimeChart.Form, _ values: [Double?]..., length: ChartSpan.Length = .day
  ) -> TimeChart {
    TimeChart(
      id: "c", heading: "H", form: form, unit: .count,
      series: values.enumerated().map { .init(name: "s\($0)", style: "x", values: $1) },
      span: ChartSpan(length, now: Self.now))
  }

  @Test(arguments: [
    (0, 4), (1, 1), (0.3, 0.4), (3, 4), (7, 8), (11, 20), (41, 80), (100, 100), (101, 200),
    (999, 1000),
    (123_456, 200_000), (0.0021, 0.004),
  ])
  func `ends its axis with a round number that holds everything`(highest: Double, top: Double) {
    let scale = ChartScale(highest: highest)
    #expect(abs(scale.top - top) < top * 1e-9)
    #expect(scale.top >= highest)
    #expect(scale.ticks.count == 5 && scale.ticks.first == scale.top && scale.ticks.last == 0)
  }

  @Test func `holds every value between its edges, whatever it is`() {
    var random = SplitMix64(seed: 7)
    for _ in 0..<500 {
      let value = Double(random.next() % 1_000_000) / 997
      let scale = ChartScale(highest: value)
      #expect((0...200).contains(scale.place(value, height: 200)))
      #expect(
        value == 0 || scale.place(value, height: 200) <= 110, "\(value) uses half of \(scale.top)")
    }
    #expect(ChartScale(highest: .infinity).top == 4 && ChartScale(highest: -1).top == 4)
  }

  @Test func `draws a line from the middle of each step, and a gap where nothing is known`() {
    var values = [Double?](repeating: nil, count: 24)
    values[0] = 0
    values[1] = 4
    values[5] = 2
    let chart = chart(.lines, values)
    #expect(chart.line(chart.series[0]) == "M20.8 200L62.5 0M208.3 100h41.7")
    #expect(chart.area(chart.series[0]) == "M20.8 200L20.8 200L62.5 0L62.5 200Z")
  }

  @Test func `stands bars upon each other and leaves out what is nothing`() {
    var (low, high) = ([Double?](repeating: 0, count: 24), [Double?](repeating: 0, count: 24))
    low[0] = 1
    high[0] = 3
    let chart = chart(.bars, low, high)
    #expect(chart.scale.top == 4)
    #expect(chart.bars(0) == "M5 200V150h31.7V200Z")
    #expect(chart.bars(1) == "M5 150V0h31.7V150Z")
  }

  @Test func `has as many steps as its time, whatever the data`() {
    for length in ChartSpan.Length.allCases {
      let span = ChartSpan(length, now: Self.now)
      #expect(span.starts.count == Int(length.steps))
      #expect(span.since.seconds % length.step == 0 && span.until <= Self.now)
      #expect(span.index(of: span.since) == 0 && span.index(of: span.until + .seconds(7200)) == nil)
      #expect(span.index(of: span.since - .seconds(length.step)) == nil)
      #expect(span.labels.count == (length == .week ? 8 : 5))
      let empty = TimeChart(
        id: "c", heading: "H", form: .bars, unit: .count,
        series: [.init(name: "s", style: "x", values: [])], span: span)
      #expect(empty.bars(0).isEmpty && empty.line(empty.series[0]).isEmpty)
    }
  }

  @Test func `counts an hour that has just begun by the minutes that have passed`() {
    let span = ChartSpan(.day, now: Timestamp(seconds: 1_800_000_000 + 600))
    #expect(span.minutes(23) == 10 && span.minutes(22) == 60)
    let fresh = ChartSpan(.day, now: Timestamp(seconds: 1_800_000_000 + 3))
    #expect(fresh.minutes(23) == 1)
  }

  @Test(arguments: [
    (0.0, "0", "0"), (0.004, "< 0.01", "4\u{202F}ms"), (0.4, "0.4", "400\u{202F}ms"),
    (0.0083, "0.01", "8.3\u{202F}ms"),
    (27, "27", "27\u{202F}s"),
    (1234, "1\u{202F}234", "1234\u{202F}s"), (12_340, "12.3\u{202F}k", "12340\u{202F}s"),
    (3_000_000, "3\u{202F}M", "3000000\u{202F}s"),
  ])
  func `writes numbers short`(value: Double, count: String, seconds: String) {
    #expect(ChartNumber.count(value) == count)
    #expect(ChartNumber.seconds(value) == seconds)
  }

  @Test func `writes shares so that some is never none`() {
    #expect(ChartNumber.share(0, of: 0) == nil)
    #expect(ChartNumber.share(0, of: 5) == "0\u{202F}%")
    #expect(ChartNumber.share(1, of: 1_000_000) == "< 0.01\u{202F}%")
    #expect(ChartNumber.share(1, of: 400) == "0.25\u{202F}%")
    #expect(ChartNumber.share(5, of: 40) == "12.5\u{202F}%")
  }

  @Test func `shows each part of a bar that is not empty`() {
    #expect(ShareBar.widths([0, 0]) == [0, 0])
    #expect(ShareBar.widths([1, 1]) == [500, 500])
    let widths = ShareBar.widths([100_000, 1, 0])
    #expect(widths[1] > 7 && widths[2] == 0 && abs(widths.reduce(0, +) - 1000) < 1e-6)
  }
}
