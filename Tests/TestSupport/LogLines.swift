package import Logging
import Synchronization

/// Keeps every line that would be logged, with its metadata.
package final class LogLines: Sendable {
  private let lines = Mutex<[String]>([])

  package init() {}

  /// A logger whose lines end here, from the lowest level on.
  package var logger: Logger { Logger(label: "recorder") { _ in Recorder(lines: self) } }

  /// All lines so far.
  package var text: String { lines.withLock { $0.joined(separator: "\n") } }

  fileprivate func add(_ line: String) { lines.withLock { $0.append(line) } }
}

private struct Recorder: LogHandler {
  let lines: LogLines
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level = .trace

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
    lines.add("\(event.message) \(all)")
  }
}
