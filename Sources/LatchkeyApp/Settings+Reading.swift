import Base
import Events
import Logging
import Web

extension Settings {
  /// Reads and checks everything; touches no network and no database.
  ///
  /// - Throws: ``SettingsProblems`` with all that is wrong, sorted by name.
  package init(reading environment: [String: String]) throws(SettingsProblems) {
    var reader = SettingsReader(environment: environment)
    self = try Settings(&reader)
  }

  init(_ reader: inout SettingsReader) throws(SettingsProblems) {
    core = CoreSettings(&reader)
    if core.apps.isEmpty && !reader.isGiven(.clientID) && reader.appEntries.isEmpty {
      reader.problem(.clientID, "is needed, or an entry in `apps` of the file in LATCHKEY_CONFIG")
    }
    platform = PlatformSettings(&reader)
    let origin = reader.optional(.appOrigin, .origin)
    if origin == nil && !reader.isGiven(.appOrigin) {
      reader.problem(.appOrigin, "is needed: the public origin, such as https://app.example.com")
    }
    appURL = reader.optional(.appURL, .page)
    brand = BrandSettings(&reader)
    callbackPaths = reader.value(.callbackPaths, .callbackPaths, default: [])
    publicListener = ListenerSettings.publicOne(&reader)
    internalListener = ListenerSettings.internalOne(&reader)
    spools = reader.value(.spool, .onOff, default: true)
    calls = reader.value(.calls, .integer(10...100_000), default: 2000)
    trustedProxies = reader.value(.trustedProxies, .networks, default: [])
    consoleProxy = ConsoleProxy(&reader)
    webhookSignatures = reader.value(.webhookSignatures, .word, default: .observe)
    webhookHexSignatures = reader.value(.webhookHexSignatures, .flag, default: false)
    webhookExceptionsOrigin = reader.optional(.webhookExceptionsOrigin, .origin)
    repairAfter = reader.value(
      .repairAfter, .duration(.seconds(1) ... .seconds(48 * 3600)), default: .seconds(600))
    checkEvery = reader.value(
      .checkEvery, .duration(.zero ... .seconds(24 * 3600)), default: .seconds(3600))
    pushSchedule = reader.value(.pushSchedule, .schedule, default: Defaults.pushSchedule)
    pushReach = reader.value(.pushPrivate, .word, default: .loopback)
    retention = RetentionSettings(&reader)
    metricsOpen = reader.value(.metricsOpen, .flag, default: false)
    frameAncestors = reader.value(
      .frameAncestors, .frameAncestors, default: Defaults.frameAncestors)
    drainDelay = reader.value(.drainDelay, .duration(.zero ... .seconds(20)), default: .seconds(5))
    _ = reader.optional(.config, .line(upTo: 4096))
    // Of the CLI; read here so that a wrong one is reported and `doctor` shows them.
    _ = reader.optional(.url, .origin)
    _ = reader.secret(.key, .token(upTo: 200))
    for file in [SettingName.serviceCAFile, .clientCertificate, .clientPrivateKey] {
      _ = reader.optional(file, .line(upTo: 4096))
    }
    effective = reader.effective
    guard reader.problems.isEmpty, let origin else {
      throw SettingsProblems(sorting: reader.problems)
    }
    appOrigin = origin
  }
}

extension CoreSettings {
  /// Reads what commands on the database need; other settings are not looked at.
  package init(reading environment: [String: String]) throws(SettingsProblems) {
    var reader = SettingsReader(environment: environment)
    self = CoreSettings(&reader)
    guard reader.problems.isEmpty else { throw SettingsProblems(sorting: reader.problems) }
  }

  init(_ reader: inout SettingsReader) {
    apps = AppSettings.all(&reader)
    let defaultDirectory = Defaults.dataDirectory
    dataDirectory = reader.value(.dataDirectory, .line(upTo: 1024), default: defaultDirectory)
    let connections = reader.value(.databaseConnections, .integer(1...200), default: 8)
    let url = reader.secret(.databaseURL, .line(upTo: 4096))
    let key = reader.secret(.encryptionKey, .keyring)
    if reader.isGiven(.databaseURL) && !reader.isGiven(.encryptionKey) {
      reader.problem(
        .encryptionKey,
        "is needed with DATABASE_URL: id:base64 of 32 random bytes, for example the output of "
          + "`echo \"k1:$(head -c 32 /dev/urandom | base64)\"`; keep it as safe as a backup")
    }
    database =
      url.map { .external($0, connections: connections) }
      ?? .ownCluster(connections: connections)
    encryptionKey = key.map { .given($0) } ?? .file(path: dataDirectory + "/encryption.key")
    logging = LogSettings(&reader)
  }
}

/// Defaults that are more than a word.
enum Defaults {
  static let pushSchedule: [Duration] = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    .map { .seconds($0) }
  static let consoleUserHeader = "X-Forwarded-User"
  static let frameAncestors = ["https://*.mybigcommerce.com", "https://*.bigcommerce.com"]
}
