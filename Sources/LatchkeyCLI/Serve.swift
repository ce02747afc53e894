import ArgumentParser
import LatchkeyApp

/// `latchkey serve`.
struct Serve: Command {
  static let configuration = CommandConfiguration(
    abstract: "Run the service.",
    discussion: """
      Reads its settings from the environment, then from the file in LATCHKEY_CONFIG; .env.example
      explains each. Everything that is wrong with them is reported at once, before a port opens, with
      exit status 2. Ends in order on SIGTERM and on Ctrl-C.
      """)

  func run(on console: Console) async throws {
    let settings = try Settings(reading: console.environment)
    let output = LogOutput(settings.core.logging)
    output.bootstrap()
    do {
      try await Server.run(settings, log: output)
    } catch {
      await output.flush()
      throw error
    }
    await output.flush()
  }
}
