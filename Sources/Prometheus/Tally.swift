import Synchronization

/// A word that something is counted by; the words are few and fixed.
package protocol MetricWord: CaseIterable, RawRepresentable<String>, Hashable, Sendable {}

/// Counts by word, for what happens now and then: each count takes a lock.
package final class Tally<Word: MetricWord>: Sendable {
  private let counts = Mutex<[Word: UInt64]>([:])

  package init() {}

  /// Counts one.
  package func count(_ word: Word) { counts.withLock { $0[word, default: 0] += 1 } }

  /// What was counted since the start.
  package subscript(word: Word) -> UInt64 { counts.withLock { $0[word] ?? 0 } }

  /// One point for every word, counted or not.
  package var points: [MetricPoint] {
    let counts = counts.withLock { $0 }
    return Word.allCases.map { MetricPoint([$0.rawValue], Double(counts[$0] ?? 0)) }
  }
}
