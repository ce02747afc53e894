package import Linux

/// As whom the server's programs run: ourselves, or an ordinary user when we are root.
package struct ServerUser: Equatable, Sendable {
  /// The user to become; `nil` when we run the programs as ourselves.
  package let account: UserAccount?

  /// The user that distributions make for PostgreSQL.
  static let packagedName = "postgres"
  private static let environment = [
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
  ]

  package static func forThisProcess() throws(PrivatePostgresError) -> ServerUser {
    guard UserAccount.currentUserID == 0 else { return ServerUser(account: nil) }
    guard let account = UserAccount.named(packagedName) else { throw .noUser(name: packagedName) }
    return ServerUser(account: account)
  }

  /// Whose the cluster's directories must be.
  var userID: UInt32 { account?.userID ?? UserAccount.currentUserID }

  /// Runs a program of this user to its end.
  package func run(
    _ program: String, _ arguments: [String], input: String = "",
    timeLimit: Duration = .seconds(120)
  ) async throws(PrivatePostgresError) -> ChildProcess.Outcome {
    let child: ChildProcess
    if let account {
      let identity = ["--reuid=\(account.userID)", "--regid=\(account.groupID)", "--init-groups"]
      child = ChildProcess(
        "/usr/bin/setpriv", identity + ["--", program] + arguments, environment: Self.environment)
    } else {
      child = ChildProcess(program, arguments, environment: Self.environment)
    }
    do throws(ChildProcess.Failure) {
      return try await child.run(input: Array(input.utf8), timeLimit: timeLimit)
    } catch {
      switch error {
      case .notStarted(let code):
        throw .system(SystemError(call: "posix_spawn", path: child.program, code: code))
      case .killed:
        throw .startFailed("\(program) took longer than \(timeLimit) or was cancelled")
      }
    }
  }
}
