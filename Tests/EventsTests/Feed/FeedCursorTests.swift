import Storage
import TestSupport
import Testing

@testable import Events

@Suite struct `Feed cursors` {
  private func state(
    id: Int64 = 7, epochs: [Int64: Int64] = [1: 0], last: Int64 = 100, oldest: Int64 = 1
  ) -> FeedState {
    FeedState(id: id, epoch: epochs.keys.max() ?? 0, epochs: epochs, last: last, oldest: oldest)
  }

  @Test func `text and back, and nothing else is a cursor`() throws {
    for position in [0, 1, 100, .max] as [Int64] {
      let cursor = FeedCursor(position: position, in: state())
      #expect(FeedCursor(cursor.text) == cursor)
      #expect(cursor.text.utf8.count == 22)
    }
    for text in [
      "", "0", "oldest", String(repeating: "_", count: 22), String(repeating: "A", count: 24),
    ] {
      #expect(FeedCursor(text) == nil, "\(text)")
    }
  }

  @Test func `another feed's cursor, and one of the future, are foreign`() {
    let here = state()
    #expect(throws: FeedCursor.Fault.foreign) {
      try FeedCursor(position: 1, in: self.state(id: 8)).resolve(in: here)
    }
    #expect(throws: FeedCursor.Fault.foreign) {
      try FeedCursor(position: 1, in: self.state(epochs: [1: 0, 2: 5])).resolve(in: here)
    }
  }

  @Test func `what is dropped is told, with the place to go on`() throws {
    let here = state(oldest: 50)
    #expect(try FeedCursor(position: 49, in: here).resolve(in: here) == 49)
    #expect(throws: FeedCursor.Fault.expired(resume: FeedCursor(position: 49, in: here))) {
      try FeedCursor(position: 48, in: here).resolve(in: here)
    }
    let empty = state(last: 0)
    #expect(try FeedCursor.oldest(in: empty).resolve(in: empty) == 0)
    // All days were dropped: the oldest that can come is the next one.
    let bare = state(last: 100, oldest: 1000)
    #expect(try FeedCursor.oldest(in: bare).resolve(in: bare) == 100)
  }

  @Test func `after a restore, cursors up to where the backup ended still count`() throws {
    let before = state(last: 150)
    let after = state(epochs: [1: 0, 2: 100], last: 160)
    #expect(try FeedCursor(position: 100, in: before).resolve(in: after) == 100)
    #expect(throws: FeedCursor.Fault.expired(resume: FeedCursor(position: 100, in: after))) {
      try FeedCursor(position: 101, in: before).resolve(in: after)
    }
    #expect(try FeedCursor(position: 130, in: after).resolve(in: after) == 130)
    // Restored, but the epoch is not noticed yet: nothing beyond the end can be meant.
    #expect(throws: FeedCursor.Fault.expired(resume: FeedCursor(position: 100, in: state()))) {
      try FeedCursor(position: 150, in: before).resolve(in: self.state(last: 100))
    }
  }

  @Test func `pending events are passed over only when nobody can write below any more`() {
    var floor = PendingFloor(after: .seconds(60), fullEvery: .seconds(10))
    #expect(floor.next(newest: 5, behind: nil, now: .seconds(0)) == 0)
    #expect(floor.next(newest: 9, behind: nil, now: .seconds(1)) == 0)
    #expect(floor.next(newest: 20, behind: nil, now: .seconds(59)) == 0)
    #expect(floor.next(newest: 30, behind: nil, now: .seconds(60)) == 5)
    #expect(floor.next(newest: 30, behind: nil, now: .seconds(61)) == 9)
    #expect(floor.next(newest: 30, behind: nil, now: .seconds(70)) == 0, "a look at everything")
    #expect(floor.next(newest: 30, behind: nil, now: .seconds(71)) == 9)
  }

  @Test func `a backlog is gone through from its beginning, however old it has become`() {
    var floor = PendingFloor(after: .seconds(60), fullEvery: .seconds(10))
    #expect(floor.next(newest: 1_000_000, behind: nil, now: .seconds(0)) == 0)
    #expect(floor.next(newest: 1_000_000, behind: 1000, now: .seconds(1)) == 1000)
    #expect(floor.next(newest: 1_200_000, behind: 400_000, now: .seconds(65)) == 0)
    #expect(floor.next(newest: 1_200_000, behind: 401_000, now: .seconds(66)) == 401_000)
    #expect(floor.next(newest: 1_200_000, behind: nil, now: .seconds(67)) == 1_000_000)
  }
}
