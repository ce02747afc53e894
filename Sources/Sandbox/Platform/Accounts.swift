import Base
import BigCommerce
import DequeModule
import OrderedCollections
import Synchronization

/// Apps, one-time codes and tokens: what BigCommerce's login host keeps.
struct Accounts {
  /// Codes that wait to be exchanged; the oldest go when a test makes more.
  static let codeLimit = 20_000

  private static let strayLimit = 1000

  private(set) var apps: [AppRegistration]
  private var codes: OrderedDictionary<String, GrantCode> = [:]
  private var accessByToken: [String: Access] = [:]
  /// Tokens that belong to no store, oldest first; only the newest are remembered.
  private var strayTokens: Deque<String> = []
  private var tokenByInstallation: OrderedDictionary<InstalledApp, String> = [:]

  init(apps: [AppRegistration]) {
    self.apps = apps
  }

  func app(_ clientID: String) -> AppRegistration? {
    apps.first { $0.clientID == clientID }
  }

  /// Registers the app, in place of one with the same client ID.
  mutating func register(_ app: AppRegistration) {
    if let index = apps.firstIndex(where: { $0.clientID == app.clientID }) {
      apps[index] = app
    } else {
      apps.append(app)
    }
  }

  /// Forgets the app with its codes and tokens; whether there was one.
  mutating func remove(clientID: String) -> Bool {
    let before = apps.count
    apps.removeAll { $0.clientID == clientID }
    codes.removeAll { $0.value.clientID == clientID }
    for installed in tokenByInstallation.keys where installed.clientID == clientID {
      revoke(installed)
    }
    return apps.count < before
  }

  mutating func keep(_ code: GrantCode) {
    if codes.count >= Accounts.codeLimit { codes.removeFirst() }
    codes[code.text] = code
  }

  /// The code, which is spent by this.
  mutating func spend(_ code: String, clientID: String) -> GrantCode? {
    guard codes[code]?.clientID == clientID else { return nil }
    return codes.removeValue(forKey: code)
  }

  func code(_ text: String) -> GrantCode? { codes[text] }

  /// Keeps a token; an earlier one of the same app and store is dead from now on.
  mutating func keep(_ access: Access, token: String) {
    if let installed = access.installed {
      revoke(installed)
      tokenByInstallation[installed] = token
    } else {
      if strayTokens.count >= Accounts.strayLimit, let oldest = strayTokens.popFirst() {
        accessByToken[oldest] = nil
      }
      strayTokens.append(token)
    }
    accessByToken[token] = access
  }

  func access(_ token: String) -> Access? { accessByToken[token] }

  /// The live token of an app on a store.
  func token(_ installed: InstalledApp) -> (token: String, access: Access)? {
    guard let token = tokenByInstallation[installed], let access = accessByToken[token] else {
      return nil
    }
    return (token, access)
  }

  /// Whether there was a token to revoke.
  @discardableResult
  mutating func revoke(_ installed: InstalledApp) -> Bool {
    guard let token = tokenByInstallation.removeValue(forKey: installed) else { return false }
    accessByToken[token] = nil
    return true
  }

  /// Kills every token of a store.
  mutating func revokeAll(of store: Store) {
    for installed in tokenByInstallation.keys where installed.store == store.hash {
      revoke(installed)
    }
  }

  /// Every live token, oldest first.
  var tokens: [(token: String, access: Access)] {
    tokenByInstallation.values.compactMap { token in
      accessByToken[token].map { (token, $0) }
    }
  }
}

/// The accounts as several threads share them.
final class AccountBook: Sendable {
  private let accounts: Mutex<Accounts>

  init(apps: [AppRegistration]) {
    accounts = Mutex(Accounts(apps: apps))
  }

  func withLock<Result: Sendable>(_ body: (inout Accounts) -> Result) -> Result {
    accounts.withLock { body(&$0) }
  }
}

/// An app on a store.
struct InstalledApp: Hashable, Sendable {
  let clientID: String
  let store: String
}

/// What BigCommerce hands to the merchant's browser, good for one exchange.
struct GrantCode: Sendable {
  let text: String
  let clientID: String
  let store: Store
  let user: StoreUser
  let scopes: [String]
}

/// What a token opens.
struct Access: Sendable {
  let clientID: String
  /// `nil` for a token that was exchanged with a wrong context: it opens nothing.
  let store: Store?
  let granted: Scopes
  /// As the app asked for them, for the token answer.
  let scopeText: String
  let userID: Int64
  let issued: Timestamp

  /// The names, one by one.
  var scopes: Set<String> { Set(scopeText.split(separator: " ").map(String.init)) }

  var installed: InstalledApp? { store.map { InstalledApp(clientID: clientID, store: $0.hash) } }
}

/// A person with access to a store's control panel.
struct StoreUser: Sendable, Equatable {
  let id: Int64
  let name: String
  let email: String
  let locale: String
  let isOwner: Bool
}
