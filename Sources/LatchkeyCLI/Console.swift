import Base
import FoundationEssentials
import Linux
import UnixSignals

/// What commands read from and write to.
///
/// Tests hand in their own.
package struct Console: Sendable {
  /// The environment variables.
  var environment: [String: String]
  /// Whether a person types what standard input gives.
  var hasInputTerminal: Bool
  /// Whether a person reads standard output.
  var hasOutputTerminal: Bool
  /// Whether a person reads standard error.
  var hasErrorTerminal: Bool
  /// Everything on standard input; more bytes than the argument are an error.
  var readInput: @Sendable (Int) throws(SystemError) -> [UInt8]
  /// One line that a person types, without its end.
  var readAnswer: @Sendable () -> String?
  /// Writes to standard output.
  var writeOutput: @Sendable ([UInt8]) throws(StandardStream.Failure) -> Void
  /// Writes to standard error.
  var writeErrors: @Sendable ([UInt8]) -> Void
  /// Returns when the person or the machine wants the program to end, or the task is cancelled.
  var untilInterrupted: @Sendable () async -> Void = {
    for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { return }
  }
  /// Measures the pauses of commands that wait.
  var clock = MonotonicClock.system

  /// A console of these parts, without terminals unless said otherwise.
  init(
    environment: [String: String], hasInputTerminal: Bool = false, hasOutputTerminal: Bool = false,
    hasErrorTerminal: Bool = false,
    readInput: @escaping @Sendable (Int) throws(SystemError) -> [UInt8],
    readAnswer: @escaping @Sendable () -> String?,
    writeOutput: @escaping @Sendable ([UInt8]) throws(StandardStream.Failure) -> Void,
    writeErrors: @escaping @Sendable ([UInt8]) -> Void
  ) {
    self.environment = environment
    self.hasInputTerminal = hasInputTerminal
    self.hasOutputTerminal = hasOutputTerminal
    self.hasErrorTerminal = hasErrorTerminal
    self.readInput = readInput
    self.readAnswer = readAnswer
    self.writeOutput = writeOutput
    self.writeErrors = writeErrors
  }

  /// The console of this process.
  package static func process() -> Console {
    Console(
      environment: ProcessInfo.processInfo.environment,
      hasInputTerminal: StandardInput.isTerminal,
      hasOutputTerminal: StandardStream.standardOutput.isTerminal,
      hasErrorTerminal: StandardStream.standardError.isTerminal,
      readInput: { limit throws(SystemError) in try StandardInput.readAll(atMost: limit) },
      readAnswer: { readLine() },
      writeOutput: { bytes throws(StandardStream.Failure) in
        try StandardStream.standardOutput.write(bytes)
      },
      // There is nobody left to tell when standard error is gone.
      writeErrors: { bytes in try? StandardStream.standardError.write(bytes) })
  }

  /// Writes a line, or several, to standard output.
  func line(_ text: String) throws(StandardStream.Failure) {
    try writeOutput(Array((text + "\n").utf8))
  }

  /// Writes a line, or several, to standard error.
  func note(_ text: String) {
    writeErrors(Array((text + "\n").utf8))
  }

  /// Whether standard output may be coloured: a terminal, and `NO_COLOR` unset or empty.
  var hasColor: Bool {
    hasOutputTerminal && environment["NO_COLOR", default: ""].isEmpty
  }

  /// Shows how far long work is, in place, if a person reads standard error.
  func progress(_ text: String) {
    guard hasErrorTerminal else { return }
    writeErrors(Array("\r\u{1B}[K\(text)".utf8))
  }

  /// The same with a bar, for work whose end is known.
  func progress<Number: BinaryInteger>(_ done: Number, of total: Number, _ things: String) {
    let share = total > 0 ? min(1, max(0, Double(done) / Double(total))) : 1
    let filled = Int(share * 24)
    let bar =
      String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
    progress("\(bar) \(Int(share * 100)) %  \(done) of \(total) \(things)")
  }

  /// Removes what ``progress(_:)`` showed last.
  func endProgress() {
    progress("")
  }

  /// The content of a file, or of standard input for `-`.
  func content(of path: String, atMost limit: Int) throws(SystemError) -> [UInt8] {
    path == "-" ? try readInput(limit) : try SmallFile.read(path, atMost: limit)
  }
}
