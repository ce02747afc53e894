import ArgumentParser
import Base
import Foundation
import Logging
import Sandbox
import ServiceLifecycle
import UnixSignals

/// A stand-in for BigCommerce on this machine: login host, API host, control panel, webhooks.
@main
struct BigCommerceSandbox: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bigcommerce-sandbox",
    abstract: "A stand-in for BigCommerce: login, API, control panel, webhooks, control API.",
    discussion: """
      Give the same URL as BIGCOMMERCE_LOGIN_URL and BIGCOMMERCE_API_URL to the app under test.
      Open the URL in a browser for the control panel; GET /control lists what scripts can do.
      """)

  @Option(help: "Listening address.") var host = "127.0.0.1"
  @Option(help: "Listening port; 0 takes a free one.") var port = 9000
  @Option(help: "A port of its own for the panel and the control API.") var controlPort: Int?
  @Option(help: "PEM file with the certificate chain; with --tls-key the sandbox speaks TLS.")
  var tlsCert: String?
  @Option(help: "PEM file with the private key.") var tlsKey: String?
  @Option(help: "PEM file with certificates to trust when calling an app.") var trust: String?
  @Option(help: "JSON file: {\"apps\": [{client_id, client_secret, name, origin, scopes}], …}.")
  var config: String?
  @Option(help: "Client ID of an app; else BIGCOMMERCE_CLIENT_ID.") var clientId: String?
  @Option(help: "Its secret; else BIGCOMMERCE_CLIENT_SECRET.") var clientSecret: String?
  @Option(help: "Origin of its callbacks (/auth/callback, /auth/load …); else APP_ORIGIN.")
  var appOrigin: String?
  @Option(help: "Name of the app.") var appName = "Demo app"
  @Option(help: "Auth callback, when it is not APP_ORIGIN/auth/callback.") var authCallback: String?
  @Option(help: "Load callback.") var loadCallback: String?
  @Option(help: "Uninstall callback.") var uninstallCallback: String?
  @Option(help: "Remove-user callback.") var removeUserCallback: String?
  @Option(help: "Scopes of the app, space-separated; else BIGCOMMERCE_SCOPES.") var scopes: String?
  @Option(help: "Stores to seed: demo1234, store0002, store0003 …") var stores = 1
  @Option(help: "Products in each store.") var products = 48
  @Option(help: "Calls that a store allows in a window.") var quota = 150
  @Option(help: "Length of the window in milliseconds.") var quotaWindow = 30_000
  @Option(help: "Requests that are kept for /control/requests.") var journal = 5000
  @Option(help: "Divides the platform's times for webhooks, such as retries after 60 s and more.")
  var webhookSpeed = 1.0
  @Option(help: "Milliseconds for one attempt to deliver a webhook.") var webhookTimeout = 10_000
  @Option(help: "Connections to one webhook destination.") var webhookConnections = 32
  @Option(help: "Milliseconds until a new webhook hears of events.") var webhookActivation = 0
  @Option(help: "Deliveries of webhooks that are remembered.") var webhookHistory = 500_000
  @Option(help: "Event loops.") var threads = 2

  func run() async throws {
    let server: SandboxServer
    do {
      server = try await SandboxServer.start(try configuration())
    } catch let problem as SandboxConfigurationError {
      throw ValidationError(problem.text)
    }
    // Not `print`: a script that starts the sandbox waits for these lines, and a pipe is buffered.
    let lines = """
      sandbox: \(server.origin)  (login host and API host)
      panel:   \(server.controlOrigin)  (control panel; /control for scripts)

      """
    try FileHandle.standardOutput.write(contentsOf: Data(lines.utf8))
    let group = ServiceGroup(
      services: [server], gracefulShutdownSignals: [.sigterm, .sigint],
      logger: Logger(label: "sandbox"))
    try await group.run()
  }

  func validate() throws {
    guard (0.001...1e9).contains(webhookSpeed) else {
      throw ValidationError("--webhook-speed must be 0.001 to 1e9.")
    }
    guard webhookTimeout > 0, webhookConnections > 0, webhookActivation >= 0, webhookHistory > 0
    else { throw ValidationError("The numbers for webhooks must be positive.") }
  }

  /// The file first, then what the flags and the environment add.
  private func configuration() throws -> SandboxConfiguration {
    var settings = SandboxConfiguration()
    settings.host = host
    settings.port = port
    settings.controlPort = controlPort
    settings.certificateFile = tlsCert
    settings.privateKeyFile = tlsKey
    settings.trustFile = trust
    settings.stores = stores
    settings.products = products
    settings.quotaLimit = quota
    settings.quotaWindow = .milliseconds(quotaWindow)
    settings.journalLength = journal
    settings.threads = threads
    settings.webhookSpeed = webhookSpeed
    settings.webhookTimeout = .milliseconds(webhookTimeout)
    settings.webhookConnections = webhookConnections
    settings.webhookActivation = .milliseconds(webhookActivation)
    settings.webhookHistory = webhookHistory
    if let config { settings.apps = try SandboxConfiguration.apps(inFile: config) }
    if let app = try SandboxConfiguration.app(
      from: .init(
        clientID: clientId, clientSecret: clientSecret, origin: appOrigin, name: appName,
        authCallback: authCallback, loadCallback: loadCallback,
        uninstallCallback: uninstallCallback, removeUserCallback: removeUserCallback,
        scopes: scopes))
    {
      settings.apps.append(app)
    }
    return settings
  }
}
