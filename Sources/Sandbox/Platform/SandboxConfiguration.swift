package import Base

/// What a sandbox is started with.
package struct SandboxConfiguration: Sendable {
  /// Listening address; always a loopback one unless the caller says otherwise.
  package var host = "127.0.0.1"
  /// Listening port; 0 takes a free one.
  package var port = 0
  /// A second port for the panel and the control API, which then leave the first.
  package var controlPort: Int?
  /// PEM files; with both the sandbox speaks TLS on every port.
  package var certificateFile: String?
  package var privateKeyFile: String?
  /// Certificates to trust when the sandbox calls an app, beside the system's.
  package var trustFile: String?
  /// Event loops.
  package var threads = 2
  package var apps: [AppRegistration] = []
  /// Stores to seed: `demo1234`, then `store0002` and so on.
  package var stores = 1
  /// Products in each store's catalogue.
  package var products = 48
  /// Calls a store allows in a window.
  package var quotaLimit = 150
  package var quotaWindow: Duration = .seconds(30)
  /// Requests that the journal keeps.
  package var journalLength = 5000
  /// The largest request body taken.
  package var bodyLimit: ByteCount = .mebibytes(64)
  /// By how much the platform's times for webhooks are divided: retries after 60 s and more, the
  /// blocklist's two and three minutes.
  package var webhookSpeed = 1.0
  /// Time for one delivery attempt.
  package var webhookTimeout: Duration = .seconds(10)
  /// Connections to one destination.
  package var webhookConnections = 32
  /// Time until a new webhook hears of events; a minute on the platform.
  package var webhookActivation: Duration = .zero
  /// Deliveries, and attempts, that are remembered.
  package var webhookHistory = 500_000
  /// Deliveries that may be pending; further ones are refused and counted.
  package var webhookPending = 200_000
  package var clock: WallClock = .system
  package var random: RandomSource = .system

  package init() {}
}

/// An app as registered in the Developer Portal.
package struct AppRegistration: Sendable, Equatable {
  package var clientID: String
  package var clientSecret: String
  package var name: String
  /// The Auth Callback URL; `redirect_uri` must equal it.
  package var authCallback: String
  package var loadCallback: String
  /// `nil` when the app registered none.
  package var uninstallCallback: String?
  package var removeUserCallback: String?
  /// The scopes a merchant is asked to grant, in the order of the portal.
  package var scopes: [String]

  package init(
    clientID: String, clientSecret: String, name: String = "Demo app", authCallback: String,
    loadCallback: String, uninstallCallback: String? = nil, removeUserCallback: String? = nil,
    scopes: [String] = AppRegistration.demoScopes
  ) {
    self.clientID = clientID
    self.clientSecret = clientSecret
    self.name = name
    self.authCallback = authCallback
    self.loadCallback = loadCallback
    self.uninstallCallback = uninstallCallback
    self.removeUserCallback = removeUserCallback
    self.scopes = scopes
  }

  /// An app whose four callbacks lie under one origin: `/auth/callback`, `/auth/load` and so on.
  package init(
    clientID: String, clientSecret: String, name: String = "Demo app", origin: String,
    scopes: [String] = AppRegistration.demoScopes
  ) {
    self.init(
      clientID: clientID, clientSecret: clientSecret, name: name,
      authCallback: origin + "/auth/callback", loadCallback: origin + "/auth/load",
      uninstallCallback: origin + "/auth/uninstall",
      removeUserCallback: origin + "/auth/remove_user", scopes: scopes)
  }

  /// Scopes that cover every resource of the sandbox.
  package static let demoScopes = [
    "store_v2_products", "store_v2_orders", "store_v2_customers", "store_v2_information_read_only",
    "store_cart", "store_inventory", "store_channel_settings_read_only",
  ]
}
