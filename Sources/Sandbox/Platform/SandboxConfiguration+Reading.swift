import Base
import Foundation

/// Why the sandbox cannot start as configured.
package struct SandboxConfigurationError: Error, Equatable {
  package let text: String
}

/// An app as flags describe it; what is `nil` comes from the environment.
package struct AppFlags: Sendable {
  package let clientID: String?
  package let clientSecret: String?
  package let origin: String?
  package let name: String
  package let authCallback: String?
  package let loadCallback: String?
  package let uninstallCallback: String?
  package let removeUserCallback: String?
  package let scopes: String?

  package init(
    clientID: String?, clientSecret: String?, origin: String?, name: String, authCallback: String?,
    loadCallback: String?, uninstallCallback: String?, removeUserCallback: String?, scopes: String?
  ) {
    self.clientID = clientID
    self.clientSecret = clientSecret
    self.origin = origin
    self.name = name
    self.authCallback = authCallback
    self.loadCallback = loadCallback
    self.uninstallCallback = uninstallCallback
    self.removeUserCallback = removeUserCallback
    self.scopes = scopes
  }
}

extension SandboxConfiguration {
  /// The app that flags and environment describe; `nil` when neither names a client ID.
  package static func app(from flags: AppFlags) throws(SandboxConfigurationError)
    -> AppRegistration?
  {
    guard let clientID = flags.clientID ?? environment("BIGCOMMERCE_CLIENT_ID") else { return nil }
    let members: [(String, String?)] = [
      ("client_id", clientID),
      ("client_secret", flags.clientSecret ?? environment("BIGCOMMERCE_CLIENT_SECRET")),
      ("origin", flags.origin ?? environment("APP_ORIGIN") ?? "http://127.0.0.1:8080"),
      ("name", flags.name), ("auth_callback", flags.authCallback),
      ("load_callback", flags.loadCallback), ("uninstall_callback", flags.uninstallCallback),
      ("remove_user_callback", flags.removeUserCallback),
      ("scopes", flags.scopes ?? environment("BIGCOMMERCE_SCOPES")),
    ]
    return try read(
      .object(members.compactMap { name, value in value.map { .init(name, .string($0)) } }))
  }

  /// The apps of a JSON file: `{"apps": [{"client_id": …, "client_secret": …, "origin": …}]}`.
  package static func apps(inFile path: String) throws(SandboxConfigurationError)
    -> [AppRegistration]
  {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw SandboxConfigurationError(text: "\(path) cannot be read")
    }
    let document: JSONValue
    do throws(JSONError) {
      document = try JSONScanner.parse(bytes)
    } catch {
      throw SandboxConfigurationError(text: "\(path) is not JSON: \(error)")
    }
    var apps: [AppRegistration] = []
    for app in document["apps"]?.array ?? [] { apps.append(try read(app)) }
    return apps
  }

  private static func read(_ document: JSONValue) throws(SandboxConfigurationError)
    -> AppRegistration
  {
    do throws(ControlError) {
      return try AppRegistration(reading: document)
    } catch {
      switch error {
      case .invalid(let text), .notFound(let text):
        throw SandboxConfigurationError(text: "app: \(text)")
      }
    }
  }

  private static func environment(_ name: String) -> String? {
    guard let text = ProcessInfo.processInfo.environment[name], !text.isEmpty else { return nil }
    return text
  }
}
