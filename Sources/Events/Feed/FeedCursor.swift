import Base
package import Storage

/// A place in the feed, as clients keep it.
///
/// It names the feed and its epoch beside the position: so it survives a dump and a restore, and
/// what it can no longer mean is noticed.
package struct FeedCursor: Hashable, Sendable {
  /// Why a cursor leads nowhere.
  package enum Fault: Error, Equatable {
    /// It is of another feed, or none at all.
    case foreign
    /// What follows it is no longer kept, or was lost with a server that failed.
    ///
    /// Reading may go on behind `resume`.
    case expired(resume: FeedCursor)
  }

  private let feed: UInt32
  private let epoch: UInt32
  /// Everything up to here was seen.
  package let position: Int64

  /// A place in the feed as it is now.
  package init(position: Int64, in state: FeedState) {
    feed = UInt32(truncatingIfNeeded: state.id)
    epoch = UInt32(truncatingIfNeeded: state.epoch)
    self.position = position
  }

  /// Reads a cursor as a client sent it; `nil` when it is none.
  package init?(_ text: String) {
    guard let bytes = Base64.decodeURL(text), bytes.count == 16 else { return nil }
    func number(_ range: Range<Int>) -> UInt64 {
      bytes[range].reduce(0) { $0 << 8 | UInt64($1) }
    }
    guard let position = Int64(exactly: number(8..<16)) else { return nil }
    feed = UInt32(number(0..<4))
    epoch = UInt32(number(4..<8))
    self.position = position
  }

  package var text: String {
    let number = UInt64(bitPattern: position)
    let high = UInt64(feed) << 32 | UInt64(epoch)
    return Base64.encodeURL(
      [high, number].flatMap { word in
        stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
      })
  }

  /// Before the oldest event that is kept.
  package static func oldest(in state: FeedState) -> FeedCursor {
    FeedCursor(position: min(state.oldest - 1, state.last), in: state)
  }

  /// Behind the newest event.
  package static func newest(in state: FeedState) -> FeedCursor {
    FeedCursor(position: state.last, in: state)
  }

  /// The position from which to read on.
  package func resolve(in state: FeedState) throws(Fault) -> Int64 {
    guard feed == UInt32(truncatingIfNeeded: state.id), epoch <= state.epoch else {
      throw .foreign
    }
    // Of what an older epoch had, only what the next one began with is left.
    let survived =
      state.epochs.filter { $0.key > Int64(epoch) }.values.min() ?? state.last
    let oldest = FeedCursor.oldest(in: state).position
    guard position <= survived else {
      throw .expired(resume: FeedCursor(position: max(survived, oldest), in: state))
    }
    guard position >= oldest else { throw .expired(resume: .oldest(in: state)) }
    return position
  }
}
