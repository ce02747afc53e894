import Base
import DequeModule

/// What became of every delivery and attempt, in a few bytes each; the oldest are forgotten.
struct DeliveryLedger {
  /// What became of a delivery; each has exactly one of these.
  enum State: UInt8, Sendable {
    case pending
    /// An attempt was answered with 2xx.
    case acknowledged
    /// Lost on purpose, by a fault.
    case lost
    /// The ladder is exhausted, or the webhook is gone.
    case givenUp

    init?(_ name: String) {
      switch name {
      case "pending": self = .pending
      case "acknowledged": self = .acknowledged
      case "lost": self = .lost
      case "given_up": self = .givenUp
      default: return nil
      }
    }
  }

  /// One event to one webhook: 24 bytes.
  private struct Row {
    let event: Int
    let scope: UInt32
    let hook: UInt32
    let store: UInt32
    var state: State
    var attempts: UInt8
  }

  /// One attempt: 24 bytes.
  private struct AttemptRow {
    let delivery: Int
    let sent: Timestamp
    let microseconds: UInt32
    let status: UInt16
    let attempt: UInt8
    let failure: AttemptFailure?
  }

  /// Deliveries in all and by what became of them.
  struct Counts: Sendable {
    var fired = 0
    var byState = [Int](repeating: 0, count: 4)
    var attempts = 0
    /// Deliveries that were never made because too many were pending.
    var refused = 0

    subscript(_ state: State) -> Int { byState[Int(state.rawValue)] }
  }

  private let limit: Int
  private let idPrefix: String
  private var rows: Deque<Row> = []
  private var attempts: Deque<AttemptRow> = []
  private var firstRow = 1
  private var firstAttempt = 1
  private var nextEvent = 1
  private var scopes = Names()
  private var stores = Names()
  private var hooks = Names()
  private(set) var counts = Counts()

  init(limit: Int, idPrefix: String) {
    self.limit = max(1, limit)
    self.idPrefix = idPrefix
  }

  /// The next event's number and ID.
  mutating func nextID() -> (number: Int, id: String) {
    defer { nextEvent += 1 }
    return (nextEvent, id(nextEvent))
  }

  /// Like `msg_2c5d…0000000042`: the number is found in it, so it need not be kept.
  private func id(_ number: Int) -> String {
    let digits = String(number)
    return idPrefix + String(repeating: "0", count: max(0, 10 - digits.utf8.count)) + digits
  }

  /// Begins a delivery; its number.
  mutating func add(_ event: WebhookEvent, hook: Int64, _ state: State) -> Int {
    if rows.count >= limit {
      rows.removeFirst()
      firstRow += 1
    }
    rows.append(
      Row(
        event: event.number, scope: scopes.index(event.scope), hook: hooks.index(String(hook)),
        store: stores.index(event.store.hash), state: state, attempts: 0))
    counts.fired += 1
    counts.byState[Int(state.rawValue)] += 1
    return firstRow + rows.count - 1
  }

  mutating func refuse() { counts.refused += 1 }

  /// Changes what became of a delivery that was pending; whether it was.
  @discardableResult
  mutating func settle(_ delivery: Delivery, _ state: State) -> Bool {
    if let index = index(delivery.number) {
      guard rows[index].state == .pending else { return false }
      rows[index].state = state
    } else if delivery.isCopy {
      return false
    }
    counts.byState[Int(State.pending.rawValue)] -= 1
    counts.byState[Int(state.rawValue)] += 1
    return true
  }

  /// Whether nothing has become of it yet, as far as that is remembered.
  func isPending(_ delivery: Delivery) -> Bool {
    index(delivery.number).map { rows[$0].state == .pending } ?? !delivery.isCopy
  }

  mutating func note(
    _ delivery: Delivery, _ outcome: AttemptOutcome, sent: Timestamp, took: Duration
  ) {
    if attempts.count >= limit {
      attempts.removeFirst()
      firstAttempt += 1
    }
    attempts.append(
      AttemptRow(
        delivery: delivery.number, sent: sent,
        microseconds: UInt32(clamping: took.inMicroseconds), status: UInt16(outcome.status ?? 0),
        attempt: UInt8(clamping: delivery.attempts), failure: outcome.failure))
    counts.attempts += 1
    if let index = index(delivery.number) {
      rows[index].attempts = UInt8(clamping: delivery.attempts)
    }
  }

  private func index(_ number: Int) -> Int? {
    let index = number - firstRow
    return rows.indices.contains(index) ? index : nil
  }
}

extension DeliveryLedger {
  /// A delivery as the control API shows it.
  struct Entry: Sendable {
    let number: Int
    let id: String
    let scope: String
    let store: String
    let hook: String
    let attempts: Int
  }

  /// An attempt as the control API shows it.
  struct AttemptEntry: Sendable {
    let number: Int
    /// `nil` when the delivery is no longer remembered.
    let delivery: Entry?
    let attempt: Int
    let status: Int?
    let failure: AttemptFailure?
    let sent: Timestamp
    let took: Duration
  }

  /// Deliveries after that number, oldest first.
  func entries(
    _ state: State, after number: Int, store: String?, limit: Int
  ) -> [Entry] {
    let wanted = store.map { stores.known($0) }
    var found: [Entry] = []
    var index = max(0, number + 1 - firstRow)
    while index < rows.count, found.count < limit {
      if rows[index].state == state, wanted == nil || wanted == .some(rows[index].store) {
        found.append(entry(index))
      }
      index += 1
    }
    return found
  }

  /// Attempts after that number, oldest first.
  func attempts(after number: Int, store: String?, limit: Int) -> [AttemptEntry] {
    var found: [AttemptEntry] = []
    var position = max(0, number + 1 - firstAttempt)
    while position < attempts.count, found.count < limit {
      let row = attempts[position]
      let delivery = index(row.delivery).map(entry)
      if store == nil || delivery?.store == store {
        found.append(
          AttemptEntry(
            number: firstAttempt + position, delivery: delivery, attempt: Int(row.attempt),
            status: row.status == 0 ? nil : Int(row.status), failure: row.failure,
            sent: row.sent, took: .microseconds(Int64(row.microseconds))))
      }
      position += 1
    }
    return found
  }

  private func entry(_ index: Int) -> Entry {
    let row = rows[index]
    return Entry(
      number: firstRow + index, id: id(row.event), scope: scopes[row.scope],
      store: stores[row.store], hook: hooks[row.hook], attempts: Int(row.attempts))
  }
}

/// Texts by small numbers.
private struct Names {
  private var indices: [String: UInt32] = [:]
  private var texts: [String] = []

  subscript(_ index: UInt32) -> String { texts[Int(index)] }

  func known(_ text: String) -> UInt32? { indices[text] }

  mutating func index(_ text: String) -> UInt32 {
    if let index = indices[text] { return index }
    let index = UInt32(texts.count)
    indices[text] = index
    texts.append(text)
    return index
  }
}
