import Linux
import Synchronization
import Testing

@testable import LatchkeyCLI

// Swift Testing has types of the same names.
typealias ExitStatus = LatchkeyCLI.ExitStatus
typealias Confirmation = LatchkeyCLI.Confirmation

/// A console whose every word is kept.
final class TestConsole: Sendable {
  private let written = Mutex<(output: [UInt8], errors: [UInt8])>(([], []))

  var output: String { String(decoding: written.withLock { $0.output }, as: UTF8.self) }
  var errors: String { String(decoding: written.withLock { $0.errors }, as: UTF8.self) }

  /// A console for commands.
  ///
  /// `answer` is what a person types, `nil` when there is no terminal at all.
  func console(
    _ environment: [String: String] = [:], input: String = "", answer: String? = nil,
    isOutputClosed: Bool = false
  ) -> Console {
    Console(
      environment: environment, hasInputTerminal: answer != nil, hasErrorTerminal: answer != nil,
      readInput: { limit throws(SystemError) in
        guard input.utf8.count <= limit else {
          throw SystemError(call: "read", path: "input", code: 27)
        }
        return Array(input.utf8)
      },
      readAnswer: { answer },
      writeOutput: { bytes throws(StandardStream.Failure) in
        guard !isOutputClosed else { throw .closed }
        self.written.withLock { $0.output += bytes }
      },
      writeErrors: { bytes in self.written.withLock { $0.errors += bytes } })
  }

  /// Runs the program once.
  func run(
    _ arguments: [String], _ environment: [String: String] = [:], input: String = "",
    answer: String? = nil, isOutputClosed: Bool = false
  ) async -> ExitStatus {
    await Program.run(
      arguments,
      on: console(environment, input: input, answer: answer, isOutputClosed: isOutputClosed))
  }
}
