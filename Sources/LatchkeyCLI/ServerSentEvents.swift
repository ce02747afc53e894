/// Reads server-sent events out of a stream that comes in pieces, pure.
///
/// - Source: HTML standard, 9.2.6; of its fields only `id` and `data`, which are all that we need.
struct ServerSentEvents {
  /// What stands between two empty lines.
  struct Message: Equatable {
    /// Where to go on; also of a message without data.
    var id: String?
    /// `nil`: only the place has moved.
    var data: String?
  }

  /// The stream is none of ours.
  struct Overlong: Error {}

  /// An event is at most what a delivery may be, many times over.
  private static let longestLine = 16 << 20

  private var line: [UInt8] = []
  private var message = Message()

  /// The messages that these bytes complete.
  mutating func read(_ bytes: some Sequence<UInt8>) throws(Overlong) -> [Message] {
    var complete: [Message] = []
    for byte in bytes {
      guard byte == UInt8(ascii: "\n") else {
        guard line.count < Self.longestLine else { throw Overlong() }
        line.append(byte)
        continue
      }
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      if line.isEmpty {
        if message != Message() { complete.append(message) }
        message = Message()
      } else {
        take(String(decoding: line, as: UTF8.self))
        line.removeAll(keepingCapacity: true)
      }
    }
    return complete
  }

  private mutating func take(_ line: String) {
    let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return }
    let value = String(parts[1].hasPrefix(" ") ? parts[1].dropFirst() : parts[1])
    switch parts[0] {
    case "id": message.id = value
    case "data": message.data = message.data.map { $0 + "\n" + value } ?? value
    default: break
    }
  }
}
