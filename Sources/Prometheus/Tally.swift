/// A word that something is counted by; the words are few and fixed.
package protocol MetricWord: CaseIterable, RawRepresentable<String>, Hashable, Sendable {}

/// Counts by word, without a lock, so that a flood of one of them holds up nobody.
package final class Tally<Word: MetricWord>: Sendable {
  private let places = Dictionary(uniqueKeysWithValues: zip(Word.allCases, 0...))
  private let counts = CounterTable()

  package init() {
    precondition(places.count <= CounterTable.places)
  }

  /// Counts one.
  package func count(_ word: Word) {
    // Each word has a place: they come from the list of all.
    if let place = places[word] { counts.add(at: place) }
  }

  /// What was counted since the start.
  package subscript(word: Word) -> UInt64 { places[word].map { counts[$0] } ?? 0 }

  /// One point for every word, counted or not.
  package var points: [MetricPoint] {
    Word.allCases.map { MetricPoint([$0.rawValue], self[$0]) }
  }
}
