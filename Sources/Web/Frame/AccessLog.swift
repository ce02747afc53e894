package import Base
import Gateway
package import Logging

/// One request whose answer is known, for the access log.
///
/// Holds no query and no header.
package struct AccessRecord: Sendable {
  package let listener: String
  package let requestID: RequestID
  package let traceID: TraceID
  /// As far as it was found out before the answer's head.
  package let subject: RequestSubject
  package let method: String
  /// The raw path without its query, and without a webhook's token.
  package let path: Substring
  package let status: Int
  /// From the request's head to the answer's.
  package let duration: Duration
  package let clientAddress: String
}

/// Takes the record of every answered request; must not block.
package struct AccessLog: Sendable {
  /// Whether no record is of interest.
  let isOff: Bool
  let write: @Sendable (AccessRecord) -> Void

  package init(isOff: Bool = false, _ write: @escaping @Sendable (AccessRecord) -> Void) {
    self.isOff = isOff
    self.write = write
  }

  /// One line per request; what browsers and probes ask for by themselves stays at the debug level.
  package static func lines(to logger: Logger) -> AccessLog {
    AccessLog(isOff: logger.logLevel > highestLevel) { record in
      logger.log(
        level: record.level, .init(stringLiteral: AccessRecord.message),
        metadata: record.subject.metadata([
          "listener": "\(record.listener)", "request_id": "\(record.requestID)",
          "trace_id": "\(record.traceID)",
          "method": "\(record.method)", "path": "\(record.path)", "status": "\(record.status)",
          "duration_ms": "\(record.duration.inMillisecondsText)",
          "client": "\(record.clientAddress)",
        ]))
    }
  }
}

extension AccessLog {
  /// Of any record.
  package static let highestLevel = Logger.Level.info
}

extension AccessRecord {
  /// The message of its line.
  package static let message = "request"

  /// What browsers and probes ask for by themselves is of little interest.
  package var level: Logger.Level { isNoise ? .debug : AccessLog.highestLevel }

  private var isNoise: Bool {
    switch (path, status) {
    case ("/healthz", 200), ("/livez", 200), ("/readyz", 200), ("/metrics", 200),
      ("/favicon.ico", 404), ("/robots.txt", 404):
      true
    default: false
    }
  }
}

extension Duration {
  /// Milliseconds with three decimals, such as `12.345`.
  package var inMillisecondsText: String {
    let (seconds, attoseconds) = components
    let microseconds = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    let fraction = String(microseconds % 1000)
    return "\(microseconds / 1000)." + String(repeating: "0", count: 3 - fraction.utf8.count)
      + fraction
  }
}
