/// Follows the framing of a request body, so that the guard knows where it ends.
///
/// Chunks are taken without extensions, and the last one without trailers.
struct BodyScanner {
  private enum State: Equatable {
    case length(Int)
    case size(digits: Int, value: Int)
    case sizeLineFeed(Int)
    case data(Int)
    case dataReturn
    case dataLineFeed
    case lastReturn
    case lastLineFeed
    case done
  }

  private var state: State
  private let limit: Int
  private var total = 0

  /// At most `limit` content bytes may come in chunks.
  init(_ framing: RequestHead.Framing, limit: Int) {
    self.limit = limit
    switch framing {
    case .length(0): state = .done
    case .length(let length): state = .length(length)
    case .chunked: state = .size(digits: 0, value: 0)
    }
  }

  var isDone: Bool { state == .done }

  /// Takes as many of the bytes as belong to the body, and returns their number.
  mutating func take(_ bytes: Span<UInt8>) throws(Refusal) -> Int {
    var index = 0
    while index < bytes.count, state != .done {
      switch state {
      case .length(let left):
        let taken = min(left, bytes.count - index)
        index += taken
        state = taken == left ? .done : .length(left - taken)
      case .data(let left):
        let taken = min(left, bytes.count - index)
        index += taken
        state = taken == left ? .dataReturn : .data(left - taken)
      default:
        state = try next(bytes[index])
        index += 1
      }
    }
    return index
  }

  private mutating func next(_ byte: UInt8) throws(Refusal) -> State {
    switch state {
    case .size(let digits, let value):
      if byte == 0x0D, digits > 0 { return .sizeLineFeed(value) }
      // Seven digits are 256 MiB less one: no chunk of an honest client is larger.
      guard digits < 7, let digit = hexadecimal(byte) else { throw .badFraming }
      return .size(digits: digits + 1, value: value * 16 + digit)
    case .sizeLineFeed(let size):
      guard byte == 0x0A else { throw .badFraming }
      total += size
      if total > limit { throw .bodyTooLarge }
      return size == 0 ? .lastReturn : .data(size)
    case .dataReturn: return try expect(byte, 0x0D, then: .dataLineFeed)
    case .dataLineFeed: return try expect(byte, 0x0A, then: .size(digits: 0, value: 0))
    case .lastReturn: return try expect(byte, 0x0D, then: .lastLineFeed)
    case .lastLineFeed: return try expect(byte, 0x0A, then: .done)
    case .length, .data, .done: return state
    }
  }

  private func expect(
    _ byte: UInt8, _ wanted: UInt8, then next: State
  ) throws(Refusal) -> State {
    guard byte == wanted else { throw .badFraming }
    return next
  }

  private func hexadecimal(_ byte: UInt8) -> Int? {
    switch byte {
    case 0x30...0x39: Int(byte) - 0x30
    case 0x41...0x46: Int(byte) - 0x41 + 10
    case 0x61...0x66: Int(byte) - 0x61 + 10
    default: nil
    }
  }
}
