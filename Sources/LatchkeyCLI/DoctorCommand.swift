import ArgumentParser
import Base
import LatchkeyApp
import Linux

/// `latchkey doctor`.
struct DoctorCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Show the settings in effect, and try everything that the service depends on.",
    discussion: """
      Changes nothing, and shows no secret. Exit status 2 when settings are wrong, 3 when something
      else must be put right.
      """)

  @Flag(name: .long, help: "Print the report as JSON.")
  var json = false

  func run(on console: Console) async throws {
    let report: DoctorReport
    var status = ExitStatus.unhealthy
    do throws(SettingsProblems) {
      let settings = try Settings(reading: console.environment)
      let output = LogOutput(settings.core.logging, stream: .standardError)
      report = await Doctor.run(
        settings, environment: console.environment, logger: output.logger("latchkey.doctor"))
      await output.flush()
    } catch {
      report = DoctorReport(error)
      status = .usage
    }
    if json {
      try console.line(report.json.prettyText)
    } else {
      // Ends its lines itself.
      try console.writeOutput(Array(report.text.utf8))
    }
    if !report.isHealthy { throw EarlyExit(status: status) }
  }
}
