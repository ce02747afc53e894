package import Base
package import Events
package import Logging
package import Web

/// Everything that can be set, checked; what `serve` and `doctor` work with.
package struct Settings: Sendable {
  /// What commands on the database need as well.
  package let core: CoreSettings
  /// BigCommerce's hosts.
  package let platform: PlatformSettings
  /// Where merchants' browsers and BigCommerce reach the public listener.
  package let appOrigin: Origin
  /// The front end that merchants are sent to after install and load, if any.
  package let appURL: WebAddress?
  package let brand: BrandSettings
  /// Paths beside ``CallbackPath/builtIn``.
  package let callbackPaths: [CallbackPath]
  package let publicListener: ListenerSettings
  package let internalListener: ListenerSettings
  /// Whether tokens that PostgreSQL cannot take are kept on disk until it can.
  package let spools: Bool
  /// The most calls to stores that this replica holds at a time.
  package let calls: Int
  /// Addresses or blocks whose `X-Forwarded-For` counts.
  package let trustedProxies: [String]
  /// The proxy that logs people in to the console, if any.
  package let consoleProxy: ConsoleProxy?
  /// What happens to a delivery whose signature is missing or wrong.
  package let webhookSignatures: SignaturePolicy
  /// Whether a delivery without BigCommerce's own signature may be signed in hexadecimal.
  package let webhookHexSignatures: Bool
  /// Where BigCommerce tells of failed deliveries; `nil`: on another path of ``appOrigin``.
  package let webhookExceptionsOrigin: Origin?
  /// An outage of the whole service that is longer has what changed meanwhile read from the stores.
  package let repairAfter: Duration
  /// Between looks at a store by the clock; zero: none.
  package let checkEvery: Duration
  /// Delays between attempts to push an event.
  package let pushSchedule: [Duration]
  /// Which addresses pushes may go to beside public ones.
  package let pushReach: OutboundPolicy.Reach
  package let retention: RetentionSettings
  /// Whether `/metrics` and `/openapi.json` need no key.
  package let metricsOpen: Bool
  /// Sources for the pages' `frame-ancestors`.
  package let frameAncestors: [String]
  /// How long readiness is refused before the listeners close.
  package let drainDelay: Duration
  /// Every setting as it came out, secrets redacted.
  package let effective: [EffectiveSetting]
}

/// The settings of commands that work on the database, and of `serve`.
package struct CoreSettings: Sendable {
  /// `default` first when there is one, then as in the settings file.
  package let apps: [AppSettings]
  package let database: DatabaseChoice
  package let encryptionKey: EncryptionKeySource
  /// Where the private PostgreSQL, the generated key and the spool live.
  package let dataDirectory: String
  package let logging: LogSettings
}

/// One app registration.
package struct AppSettings: Sendable {
  package let name: AppName
  package let clientID: String
  package let clientSecret: Secret<String>
  /// The secret before a rotation; only verifies.
  package let clientSecretOld: Secret<String>?
  /// Scopes that an install should grant, as written.
  package let scopes: [String]
  /// The number in the Developer Portal.
  package let portalID: Int?
  /// Webhook scopes to register on each store, such as `store/order/*`.
  package let webhooks: [String]
}

/// Which PostgreSQL.
package enum DatabaseChoice: Sendable {
  /// A libpq URI or keyword string.
  case external(Secret<String>, connections: Int)
  /// A cluster of our own below the data directory.
  case ownCluster(connections: Int)

  /// The size of the pool.
  package var connections: Int {
    switch self {
    case .external(_, let connections), .ownCluster(let connections): connections
    }
  }
}

/// Where the keyring comes from.
package enum EncryptionKeySource: Sendable {
  /// `id:base64(32 bytes)`, several separated by commas; the first seals.
  case given(Secret<String>)
  /// Made once and kept in this file, mode 0600.
  case file(path: String)
}

/// BigCommerce's hosts.
package struct PlatformSettings: Sendable {
  package let login: Origin
  package let api: Origin
  /// Certificates trusted in place of the system's, in PEM.
  package let caFile: String?
}

/// What merchants see.
package struct BrandSettings: Sendable {
  package let name: String
  package let logoURL: String?
  /// `#rrggbb` or `#rgb`.
  package let color: String
  /// `https:` or `mailto:`.
  package let supportURL: String?
}

/// One of the two listeners.
package struct ListenerSettings: Sendable {
  package let address: ListenAddress
  /// Read again on SIGHUP.
  package let tls: TLSIdentity.Files?
}

/// How long things are kept, in days.
package struct RetentionSettings: Sendable {
  package let events: Int
  package let deliveries: Int
  package let usage: Int
  package let uninstalled: Int
}

/// What is logged and how.
package struct LogSettings: Sendable {
  package let level: Logger.Level
  /// `nil`: text on a terminal, JSON elsewhere.
  package let format: LogFormat?

  package init(level: Logger.Level, format: LogFormat?) {
    self.level = level
    self.format = format
  }
}

/// How a log line looks.
package enum LogFormat: String, CaseIterable, Sendable {
  case json, text
}
