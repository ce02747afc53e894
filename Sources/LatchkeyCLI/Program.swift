import ArgumentParser
import Linux

/// The program: arguments in, exit status out.
package enum Program {
  /// Runs the command that the arguments name.
  ///
  /// - Parameters:
  ///   - arguments: without the program's name.
  ///   - console: where it reads and writes.
  /// - Returns: what the process should exit with.
  package static func run(_ arguments: [String], on console: Console) async -> ExitStatus {
    do {
      var command = try LatchkeyCommand.parseAsRoot(arguments)
      guard let work = command as? any Command else {
        // A group without a command, `help`, or the completion script: its own run says which.
        try command.run()
        return .ok
      }
      try await work.run(on: console)
      return .ok
    } catch let status as EarlyExit {
      return status.status
    } catch {
      return report(error, on: console)
    }
  }

  private static func report(_ error: any Error, on console: Console) -> ExitStatus {
    // ArgumentParser's own errors: 0 is a text that was asked for, 64 a wrong call.
    switch LatchkeyCommand.exitCode(for: error).rawValue {
    case 0:
      do throws(StandardStream.Failure) {
        try console.line(LatchkeyCommand.fullMessage(for: error))
      } catch {
        return error == .closed ? .ok : .failure
      }
      return .ok
    case 64:
      console.note(LatchkeyCommand.fullMessage(for: error))
      return .usage
    default:
      guard let report = FailureReport(error) else { return .ok }
      console.note("latchkey: " + report.text)
      return report.status
    }
  }
}

/// Ends a command that has said everything already.
struct EarlyExit: Error {
  let status: ExitStatus
}

/// A command that does something, rather than group others.
protocol Command: ParsableCommand {
  /// Does it.
  func run(on console: Console) async throws
}

/// The root: groups everything.
struct LatchkeyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "latchkey",
    abstract: "Keeps the BigCommerce tokens of your app, and calls stores for your services.",
    discussion: """
      serve, migrate, doctor, vault and keys create --bootstrap work on the database and read the same
      settings as the service (DATABASE_URL, CREDENTIALS_ENCRYPTION_KEY ...; see .env.example).

      All other commands talk to a running service: LATCHKEY_URL says where its internal listener is
      (default http://127.0.0.1:8081), LATCHKEY_KEY is a service key, or LATCHKEY_KEY_FILE a file with
      one. The first key comes from: latchkey keys create --bootstrap --name me
      Over TLS, LATCHKEY_CA_FILE names authorities to trust beside the system's; LATCHKEY_CLIENT_CERT
      and LATCHKEY_CLIENT_KEY are shown to a listener that asks for a certificate.

      Exit status: 0 done, 1 failed, 2 called wrongly or wrong settings, 3 something is not as it should be.
      Completions for your shell: latchkey --generate-completion-script bash (or zsh, fish).
      """,
    subcommands: [
      Serve.self, Migrate.self, DoctorCommand.self, VaultCommands.self, Keys.self, Stores.self,
      ScopesCommands.self, Webhooks.self, DeliveryCommands.self, EventCommands.self,
      Subscriptions.self, UsageCommand.self, AuditCommand.self, API.self,
    ])
}
