package import Base

/// What calls came to: numbers that add up.
package struct UsageCounts: Sendable {
  /// The numbers in the order of the columns of `usage`.
  package enum Field: Int, CaseIterable, Sendable {
    /// All of them; each is fine or one of the following five.
    case calls
    /// 4xx of BigCommerce but 429.
    case rejected
    /// 429 and 509 of BigCommerce; the store's quota and the key's rate.
    case throttled
    /// 5xx, or no answer.
    case failed
    /// Not taken in, because too many calls were held.
    case refused
    /// The caller left before the answer.
    case abandoned
    /// Waited for the store's quota.
    case waited
    case waitedMicroseconds
    /// Of bodies of calls.
    case sentBytes
    /// Of bodies of answers.
    case receivedBytes
    /// Of the calls that the histogram counts.
    case latencyMicroseconds
    /// The first of the histogram's places.
    case within10Milliseconds
    case within25Milliseconds, within50Milliseconds, within100Milliseconds, within250Milliseconds
    case within500Milliseconds, within1Second, within2500Milliseconds, within5Seconds
    case within10Seconds, within30Seconds, longer
  }

  /// The histogram's bounds in microseconds; one more place is for what took longer.
  package static let bounds: [Int64] = [
    10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
    30_000_000,
  ]

  private var values = InlineArray<23, Int64>(repeating: 0)

  package init() {}

  /// Reads the numbers in the order of ``Field``; `nil` when there are not as many.
  package init?(_ numbers: [Int64]) {
    guard numbers.count == values.count else { return nil }
    for place in values.indices { values[place] = numbers[place] }
  }

  package subscript(field: Field) -> Int64 {
    get { values[field.rawValue] }
    set { values[field.rawValue] = newValue }
  }

  /// All numbers in the order of ``Field``.
  package var numbers: [Int64] { values.indices.map { values[$0] } }

  package mutating func add(_ more: UsageCounts) {
    for place in values.indices { values[place] += more.values[place] }
  }
}

// MARK: Latency

extension UsageCounts {
  private static let firstPlace = Field.within10Milliseconds.rawValue

  /// Counts how long BigCommerce's answer took, waits included.
  package mutating func observe(latency: Duration) {
    let time = max(0, latency.inMicroseconds)
    var place = 0
    while place < Self.bounds.count, Self.bounds[place] < time { place += 1 }
    values[Self.firstPlace + place] += 1
    self[.latencyMicroseconds] += time
  }

  /// How many calls the histogram holds.
  package var answered: Int64 {
    (Self.firstPlace..<values.count).reduce(0) { $0 + values[$1] }
  }

  /// The mean latency in seconds; `nil` without calls.
  package var meanLatency: Double? {
    answered > 0 ? Double(self[.latencyMicroseconds]) / Double(answered) / 1_000_000 : nil
  }

  /// The latency in seconds that this part of the calls does not exceed, estimated within the
  /// histogram's place; `nil` without calls.
  ///
  /// Of what took longer than the last bound only that bound is known.
  package func latency(quantile: Double) -> Double? {
    let rank = quantile * Double(answered)
    guard answered > 0 else { return nil }
    var before = 0.0
    for (place, bound) in Self.bounds.enumerated() {
      let here = Double(values[Self.firstPlace + place])
      if here > 0, before + here >= rank {
        let lower = place == 0 ? 0 : Double(Self.bounds[place - 1])
        let part = max(0, rank - before) / here
        return (lower + (Double(bound) - lower) * part) / 1_000_000
      }
      before += here
    }
    return Self.bounds.last.map { Double($0) / 1_000_000 }
  }
}

/// The calls of one minute, store, caller and family of endpoints.
package struct UsageCell: Sendable {
  package let installation: InstallationID
  /// Minutes since 1970.
  package let minute: Int64
  /// The ID of the caller's key; empty for all callers together.
  package let key: String
  /// The name of the endpoint's family; empty for all together.
  package let family: String
  package var counts: UsageCounts

  package init(
    installation: InstallationID, minute: Int64, key: String, family: String, counts: UsageCounts
  ) {
    self.installation = installation
    self.minute = minute
    self.key = key
    self.family = family
    self.counts = counts
  }
}
