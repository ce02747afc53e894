import Base

/// Where a page of a numbered log ends; opaque to callers.
struct NumberCursor {
  let number: Int64
  private let log: Character

  /// `log` tells the cursors of one log from another's.
  init(number: Int64, _ log: Character) {
    self.number = number
    self.log = log
  }

  /// - Throws: 400 for what is no cursor of that log.
  init(_ text: String, _ log: Character) throws(Problem) {
    let decoded = Base64.decodeURL(text).map { String(decoding: $0, as: UTF8.self) }
    guard let decoded, decoded.first == log, let number = Int64(decoded.dropFirst()) else {
      throw .badRequest("The query parameter after takes the next of the previous answer.")
    }
    self.init(number: number, log)
  }

  var text: String { Base64.encodeURL(Array("\(log)\(number)".utf8)) }
}
