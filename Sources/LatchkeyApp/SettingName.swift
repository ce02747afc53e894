import Base

/// The variables that Latchkey reads, each by its one proper name.
///
/// `.env.example` has a row for each, with unit, default and what breaks when it is wrong.
package enum SettingName: String, CaseIterable, Sendable {
  case clientID = "BIGCOMMERCE_CLIENT_ID"
  case clientSecret = "BIGCOMMERCE_CLIENT_SECRET"
  case clientSecretOld = "BIGCOMMERCE_CLIENT_SECRET_OLD"
  case scopes = "BIGCOMMERCE_SCOPES"
  case webhooks = "BIGCOMMERCE_WEBHOOKS"
  case appID = "BIGCOMMERCE_APP_ID"
  case loginURL = "BIGCOMMERCE_LOGIN_URL"
  case apiURL = "BIGCOMMERCE_API_URL"
  case caFile = "BIGCOMMERCE_CA_FILE"
  case appOrigin = "APP_ORIGIN"
  case appURL = "APP_URL"
  case brandName = "LATCHKEY_BRAND_NAME"
  case brandLogoURL = "LATCHKEY_BRAND_LOGO_URL"
  case brandColor = "LATCHKEY_BRAND_COLOR"
  case brandSupportURL = "LATCHKEY_BRAND_SUPPORT_URL"
  case callbackPaths = "LATCHKEY_CALLBACK_PATHS"
  case databaseURL = "DATABASE_URL"
  case databaseConnections = "LATCHKEY_DATABASE_CONNECTIONS"
  case encryptionKey = "CREDENTIALS_ENCRYPTION_KEY"
  case publicAddress = "LATCHKEY_PUBLIC_ADDRESS"
  case internalAddress = "LATCHKEY_INTERNAL_ADDRESS"
  case insecureInternal = "LATCHKEY_INSECURE_INTERNAL"
  case publicCertificate = "LATCHKEY_PUBLIC_TLS_CERT"
  case publicPrivateKey = "LATCHKEY_PUBLIC_TLS_KEY"
  case internalCertificate = "LATCHKEY_INTERNAL_TLS_CERT"
  case internalPrivateKey = "LATCHKEY_INTERNAL_TLS_KEY"
  case internalClientCA = "LATCHKEY_INTERNAL_TLS_CLIENT_CA"
  case dataDirectory = "LATCHKEY_DATA_DIR"
  case spool = "LATCHKEY_SPOOL"
  case calls = "LATCHKEY_CALLS"
  case trustedProxies = "LATCHKEY_TRUSTED_PROXIES"
  case consoleProxySecret = "LATCHKEY_CONSOLE_PROXY_SECRET"
  case consoleProxyKey = "LATCHKEY_CONSOLE_PROXY_KEY"
  case consoleProxyUserHeader = "LATCHKEY_CONSOLE_PROXY_USER_HEADER"
  case webhookSignatures = "LATCHKEY_WEBHOOK_SIGNATURES"
  case webhookHexSignatures = "LATCHKEY_WEBHOOK_HEX_SIGNATURES"
  case webhookExceptionsOrigin = "LATCHKEY_WEBHOOK_EXCEPTIONS_ORIGIN"
  case checkEvery = "LATCHKEY_CHECK_EVERY"
  case repairAfter = "LATCHKEY_REPAIR_AFTER"
  case pushSchedule = "LATCHKEY_PUSH_SCHEDULE"
  case pushPrivate = "LATCHKEY_PUSH_PRIVATE"
  case retentionEvents = "LATCHKEY_RETENTION_EVENTS"
  case retentionDeliveries = "LATCHKEY_RETENTION_DELIVERIES"
  case retentionUsage = "LATCHKEY_RETENTION_USAGE"
  case retentionUninstalled = "LATCHKEY_RETENTION_UNINSTALLED"
  case logLevel = "LATCHKEY_LOG_LEVEL"
  case logFormat = "LATCHKEY_LOG_FORMAT"
  case metricsOpen = "LATCHKEY_METRICS_OPEN"
  case frameAncestors = "LATCHKEY_FRAME_ANCESTORS"
  case drainDelay = "LATCHKEY_DRAIN_DELAY"
  case config = "LATCHKEY_CONFIG"
  case url = "LATCHKEY_URL"
  case key = "LATCHKEY_KEY"
  case serviceCAFile = "LATCHKEY_CA_FILE"
  case clientCertificate = "LATCHKEY_CLIENT_CERT"
  case clientPrivateKey = "LATCHKEY_CLIENT_KEY"

  /// Other names under which the same value is accepted.
  package var aliases: [String] {
    switch self {
    case .clientID: ["BC_CLIENT_ID", "CLIENT_ID"]
    case .clientSecret: ["BC_CLIENT_SECRET", "CLIENT_SECRET"]
    case .clientSecretOld: ["BC_CLIENT_SECRET_OLD", "CLIENT_SECRET_OLD"]
    default: []
    }
  }

  /// Whether the value is never shown, and may stand in a file that `…_FILE` names.
  package var isSecret: Bool {
    switch self {
    case .clientSecret, .clientSecretOld, .databaseURL, .encryptionKey, .key, .consoleProxySecret:
      true
    default: false
    }
  }

  /// Every name under which a value may be given, files included.
  package var acceptedNames: [String] {
    let direct = [rawValue] + aliases
    return isSecret ? direct + direct.map { $0 + "_FILE" } : direct
  }
}

/// Tells names of settings from typos.
enum KnownNames {
  /// Every accepted name.
  static let all: Set<String> = Set(SettingName.allCases.flatMap(\.acceptedNames))

  /// What only a debug build understands; a release build refuses it like a typo.
  static let ofDebugBuilds: Set<String> = {
    #if DEBUG
      [FailPoint.variable]
    #else
      []
    #endif
  }()

  /// Whether Kubernetes makes such a variable for a Service whose name begins with "latchkey".
  static func isMadeByKubernetes(_ name: String) -> Bool {
    if name.hasSuffix("_SERVICE_HOST") || name.hasSuffix("_PORT") { return true }
    if name.contains("_SERVICE_PORT") { return true }
    guard let port = name.ranges(of: "_PORT_").last else { return false }
    let parts = name[port.upperBound...].split(separator: "_", omittingEmptySubsequences: false)
    return parts.count >= 2 && Int(parts[0]) != nil && ["TCP", "UDP", "SCTP"].contains(parts[1])
  }

  /// The known name that takes the fewest edits to reach.
  static func nearest(to name: String) -> String {
    all.sorted().min { editDistance(name, $0) < editDistance(name, $1) } ?? ""
  }

  /// Insertions, deletions, replacements and swaps of neighbours between two texts.
  static func editDistance(_ left: String, _ right: String) -> Int {
    let (a, b) = (Array(left.utf8), Array(right.utf8))
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in 0..<a.count {
      var row = [i + 1]
      for j in 0..<b.count {
        var cost = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          cost = min(cost, beforeLast[j - 1] + 1)
        }
        row.append(cost)
      }
      (beforeLast, last) = (last, row)
    }
    return last[b.count]
  }
}
