import Base
import Testing

@Suite struct `Trace context` {
  private static let trace = "0af7651916cd43dd8448eb211c80319c"
  private static let parent = "b7ad6b7169203331"
  private let source = TraceSource(seed: 7)

  /// What continues, and with which flags.
  static let valid: [(text: String, flags: String)] = [
    ("00-\(trace)-\(parent)-01", "01"), ("00-\(trace)-\(parent)-00", "00"),
    // Random, of level 2, is passed on; what no level knows is zero.
    ("00-\(trace)-\(parent)-03", "03"), ("00-\(trace)-\(parent)-ff", "03"),
    ("00-\(trace)-\(parent)-08", "00"),
    // Only half of an ID is zero.
    ("00-00000000000000018448eb211c80319c-\(parent)-01", "01"),
    // Later versions count as far as they are like this one.
    ("01-\(trace)-\(parent)-01", "01"), ("cc-\(trace)-\(parent)-01-what-the-future-brings", "01"),
    ("fe-\(trace)-\(parent)-01-", "01"),
  ]

  /// What begins a trace anew.
  static let invalid: [String] = [
    "", "00", "-", "what", "00-1-2-01",
    "ff-\(trace)-\(parent)-01",
    "00-00000000000000000000000000000000-\(parent)-01", "00-\(trace)-0000000000000000-01",
    "00-\(trace.uppercased())-\(parent)-01", "00-\(trace)-\(parent.uppercased())-01",
    "00-\(trace)-\(parent)-0A", "0A-\(trace)-\(parent)-01",
    "00-\(trace)-\(parent)-1", "00-\(trace)-\(parent)-001", "00-\(trace)-\(parent)-01-",
    "00-\(trace)-\(parent)-01-more", "01-\(trace)-\(parent)-01more", "01-\(trace)-\(parent)-01.",
    "0-\(trace)-\(parent)-01", "000-\(trace)-\(parent)-01",
    "00-\(trace)0-\(parent)-01", "00-\(trace.dropLast())-\(parent)-01",
    "00-\(trace)-\(parent)0-01", "00-\(trace)-\(parent.dropLast())-01",
    "00-\(trace)_\(parent)-01", "00_\(trace)-\(parent)-01", "00-\(trace)-\(parent)_01",
    "00-\(trace.dropLast())g-\(parent)-01", "00-\(trace)-\(parent.dropLast())g-01",
    "0x-\(trace)-\(parent)-01", " 00-\(trace)-\(parent)-01", "00-\(trace)-\(parent)-01 ",
    "00-\(trace)-\(parent)-0\u{661}", "00-\(trace)-\(parent)-01,00-\(trace)-\(parent)-01",
  ]

  @Test(arguments: valid)
  func `a valid traceparent is continued with a span of ours`(
    _ one: (text: String, flags: String)
  ) {
    let context = source.context(continuing: one.text)
    #expect(context.isContinued)
    let told = context.traceparent.split(separator: "-").map(String.init)
    #expect(told.count == 4 && context.traceparent.utf8.count == 55)
    #expect(told[0] == "00")
    #expect(told[1] == one.text.split(separator: "-").map(String.init)[1])
    #expect(told[1] == context.traceID.description)
    #expect(told[2] != Self.parent)
    #expect(told[3] == one.flags)
    #expect(source.context(continuing: context.traceparent).traceID == context.traceID)
  }

  @Test(arguments: invalid)
  func `anything else begins a trace`(_ text: String) {
    let context = source.context(continuing: text)
    #expect(!context.isContinued)
    #expect(context.flags == 1)
    #expect(context.traceID.description != Self.trace)
    #expect(
      TraceSource(seed: 1).context(continuing: context.traceparent).isContinued, "ours is valid")
  }

  @Test func `traces and spans are never the same twice, nor zero`() {
    var seen: Set<UInt64> = []
    for _ in 0..<1000 {
      let context = source.context(continuing: nil)
      for id in [context.traceID.high, context.traceID.low, context.spanID] {
        #expect(id != 0 && seen.insert(id).inserted)
      }
    }
    #expect(TraceSource(seed: 8).begin() != TraceSource(seed: 9).begin())
  }
}
