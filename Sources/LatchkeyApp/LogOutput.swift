package import Base
package import Linux
package import Logging
package import Web

/// Makes the loggers of this process and knows where their lines go.
package struct LogOutput: Sendable {
  private let sink: LogSink
  private let format: LogFormat
  private let level: Logger.Level
  private let clock: WallClock

  /// JSON lines, or text when a person is looking and nothing else is set.
  package init(
    _ settings: LogSettings, stream: StandardStream = .standardOutput, clock: WallClock = .system
  ) {
    let format = settings.format ?? (stream.isTerminal ? .text : .json)
    self.format = format
    level = settings.level
    self.clock = clock
    sink = LogSink(stream: stream) { dropped in
      LogLine(
        at: clock.now(), level: .warning, label: "latchkey.log", message: "log lines were dropped",
        metadata: ["dropped": "\(dropped)"]
      ).bytes(format)
    }
  }

  /// A logger for one part, named like `latchkey.web`.
  package func logger(_ label: String) -> Logger {
    Logger(label: label) { handler($0) }
  }

  /// Takes a line for each request.
  ///
  /// As JSON it is made without a logger, because it is made for every proxied call: as fast as a few
  /// appended bytes, and written together with others.
  package func accessLog(_ label: String) -> AccessLog {
    guard format == .json else { return .lines(to: logger(label)) }
    return AccessLog(isOff: level > AccessLog.highestLevel) { record in
      guard record.level >= level else { return }
      sink.write(record.line(at: clock.now(), label), canWait: true)
    }
  }

  /// Makes loggers that libraries create for themselves come here too; at most once in a process.
  package func bootstrap() {
    LoggingSystem.bootstrap { handler($0) }
  }

  /// Waits, for a limited time, until all lines so far are written.
  package func flush(within limit: Duration = .seconds(1)) async {
    await sink.flush(within: limit)
  }

  private func handler(_ label: String) -> LineLogHandler {
    LineLogHandler(label: label, format: format, sink: sink, clock: clock, logLevel: level)
  }
}

/// Turns events into lines for a ``LogSink``.
struct LineLogHandler: LogHandler {
  let label: String
  let format: LogFormat
  let sink: LogSink
  let clock: WallClock
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var fields = metadataProvider?.get() ?? [:]
    fields.merge(metadata) { _, own in own }
    if let given = event.metadata { fields.merge(given) { _, own in own } }
    if let error = event.error { fields["error"] = "\(error)" }
    let line = LogLine(
      at: clock.now(), level: event.level, label: label, message: "\(event.message)",
      metadata: fields)
    sink.write(line.bytes(format))
  }
}
