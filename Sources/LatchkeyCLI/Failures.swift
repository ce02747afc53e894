import ArgumentParser
import Base
import Curl
import LatchkeyApp
import Linux
import Postgres
import Storage

/// How a command ended, for the shell.
package enum ExitStatus: Int32, Sendable {
  case ok = 0
  /// It did not work.
  case failure = 1
  /// It was called wrongly, or the settings are wrong.
  case usage = 2
  /// What was looked at is not as it should be.
  case unhealthy = 3
}

/// Why a command did not do what it was asked, in words for the person who called it.
struct CommandFailure: Error, Equatable {
  let text: String
  var status = ExitStatus.failure

  static func usage(_ text: String) -> CommandFailure {
    CommandFailure(text: text, status: .usage)
  }
}

/// An answer of the service that is no success.
struct APIFailure: Error, Equatable {
  let status: Int
  let title: String
  let detail: String?
  let code: String?
  let requestID: String?

  /// Reads a problem document, or whatever else came with this status.
  init(status: Int, body: [UInt8], requestID: String?) {
    let document = try? JSONScanner.parse(body)
    self.status = status
    title = document?["title"]?.string ?? "The service answered \(status)"
    detail = document?["detail"]?.string
    code = document?["code"]?.string
    self.requestID = document?["request_id"]?.string ?? requestID
  }

  var text: String {
    var lines = ["\(title) (\(status))"]
    if let detail { lines.append(detail) }
    if let code { lines.append("code: \(code)") }
    if let requestID { lines.append("request id: \(requestID)") }
    return lines.map(Table.printable).joined(separator: "\n")
  }
}

/// An error as a person and a shell should see it.
struct FailureReport: Equatable {
  let text: String
  let status: ExitStatus

  /// Translates what a command threw; `nil` when nothing is to be said.
  init?(_ error: any Error) {
    switch error {
    case let error as CommandFailure: self.init(text: error.text, status: error.status)
    case let error as APIFailure: self.init(text: error.text, status: .failure)
    case let error as SettingsProblems: self.init(text: error.description, status: .usage)
    case StandardStream.Failure.closed: return nil
    case let error as SystemError: self.init(text: error.description, status: .failure)
    case let error as StandardStream.Failure:
      self.init(text: "Standard output cannot be written: \(error)", status: .failure)
    case let error as MigrationError: self.init(text: error.description, status: .failure)
    case let error as PostgresError:
      self.init(text: "The database could not be used: \(error)", status: .failure)
    case let error as ServiceKeyError:
      self.init(text: "The key could not be made: \(error)", status: .failure)
    case is CancellationError: self.init(text: "Interrupted.", status: .failure)
    default: self.init(text: "\(error)", status: .failure)
    }
  }

  init(text: String, status: ExitStatus) {
    self.text = text
    self.status = status
  }
}
