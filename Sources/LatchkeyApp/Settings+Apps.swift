import Base
import BigCommerce
import Vault

extension AppSettings {
  /// The environment's app, then those of the settings file.
  static func all(_ reader: inout SettingsReader) -> [AppSettings] {
    let first = fromEnvironment(&reader)
    var apps = first.map { [$0] } ?? []
    var names: Set<AppName> = reader.isGiven(.clientID) ? [.default] : []
    for (index, entry) in reader.appEntries.enumerated() {
      var entryReader = AppEntryReader(entry: entry, place: "apps[\(index)]")
      let app = entryReader.app()
      for problem in entryReader.problems { reader.problem(problem.name, problem.text) }
      guard let app else { continue }
      if !names.insert(app.name).inserted {
        reader.problem(
          "apps[\(index)].name", "is described twice; `default` may be the environment's")
      }
      if apps.contains(where: { $0.clientID == app.clientID }) {
        reader.problem("apps[\(index)].client_id", "is another app's as well")
      }
      apps.append(app)
    }
    return apps.filter { $0.name == .default } + apps.filter { $0.name != .default }
  }

  private static func fromEnvironment(_ reader: inout SettingsReader) -> AppSettings? {
    let id = reader.optional(.clientID, .token(upTo: 128))
    let secret = reader.secret(.clientSecret, .token(upTo: 512))
    let old = reader.secret(.clientSecretOld, .token(upTo: 512))
    let scopes = reader.value(.scopes, .scopes, default: [])
    let webhooks = reader.value(.webhooks, .webhookScopes, default: [])
    let portalID = reader.optional(.appID, .integer(1...999_999_999))
    let (hasID, hasSecret) = (reader.isGiven(.clientID), reader.isGiven(.clientSecret))
    if hasID != hasSecret {
      let (missing, present): (SettingName, SettingName) =
        hasID ? (.clientSecret, .clientID) : (.clientID, .clientSecret)
      reader.problem(missing, "is needed with \(present.rawValue)")
    }
    guard let id, let secret else { return nil }
    return AppSettings(
      name: .default, clientID: id, clientSecret: secret, clientSecretOld: old, scopes: scopes,
      portalID: portalID, webhooks: webhooks)
  }
}

/// Reads one entry of `apps`.
private struct AppEntryReader {
  let entry: JSONValue
  let place: String
  var problems: [SettingsProblem] = []

  private static let known: Set<String> = [
    "name", "client_id", "client_secret", "client_secret_file", "client_secret_old",
    "client_secret_old_file", "scopes", "app_id", "webhooks",
  ]

  init(entry: JSONValue, place: String) {
    self.entry = entry
    self.place = place
  }

  mutating func app() -> AppSettings? {
    guard let members = entry.members else {
      problems.append(
        .init(place, "must be names and values, with name, client_id and client_secret"))
      return nil
    }
    for member in members where !AppEntryReader.known.contains(member.name) {
      problem(member.name, "is no field of an app")
    }
    let name = required("name", .appName)
    let clientID = required("client_id", .token(upTo: 128))
    let secret = secret("client_secret")
    if secret == nil && entry["client_secret"] == nil && entry["client_secret_file"] == nil {
      problem("client_secret", "is needed, or client_secret_file")
    }
    let old = self.secret("client_secret_old")
    let scopes = optional("scopes", .scopes) ?? []
    let portalID = optional("app_id", .integer(1...999_999_999))
    let webhooks = optional("webhooks", .webhookScopes) ?? []
    guard problems.isEmpty, let name, let clientID, let secret else { return nil }
    return AppSettings(
      name: name, clientID: clientID, clientSecret: secret, clientSecretOld: old, scopes: scopes,
      portalID: portalID, webhooks: webhooks)
  }

  private mutating func required<Value>(_ field: String, _ form: SettingForm<Value>) -> Value? {
    if entry[field] == nil { problem(field, "is needed") }
    return optional(field, form)
  }

  private mutating func optional<Value>(_ field: String, _ form: SettingForm<Value>) -> Value? {
    guard let given = entry[field], given != .null else { return nil }
    let text =
      given.array.map { $0.compactMap(\.scalarText).joined(separator: ",") }
      ?? given.scalarText
    if let value = text.flatMap(form.read) { return value }
    problem(field, "expected \(form.expectation)")
    return nil
  }

  private mutating func secret(_ field: String) -> Secret<String>? {
    let direct = optional(field, .token(upTo: 512))
    guard let path = optional(field + "_file", .line(upTo: 4096)) else {
      return direct.map { Secret($0) }
    }
    if entry[field] != nil { problem(field, "and \(field)_file are both given; keep one of them") }
    switch SettingsReader.secretFile(path) {
    case .success(let text):
      if let secret = SettingForm.token(upTo: 512).read(text) { return Secret(secret) }
      problem(field + "_file", "expected a secret without spaces in the file")
    case .failure(let fault): problem(field + "_file", "\(fault)")
    }
    return nil
  }

  private mutating func problem(_ field: String, _ text: String) {
    problems.append(.init("\(place).\(field)", text))
  }
}

extension SettingForm where Value == AppName {
  static let appName = SettingForm(
    expectation: "1 to 32 of a-z, 0-9 and -, starting with a letter",
    read: { AppName($0) }, write: { $0.text })
}

extension SettingForm where Value == [String] {
  /// OAuth scope names.
  static let scopes = SettingForm(
    expectation: "scope names such as store_v2_products, separated by spaces",
    read: { text in
      let names = text.split { $0 == " " || $0 == "," }.map(String.init)
      let areNames = names.allSatisfy { name in
        name.utf8.count <= 100
          && name.utf8.allSatisfy {
            $0.isASCIIDigit || $0 == UInt8(ascii: "_")
              || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
          }
      }
      return areNames && !names.isEmpty ? Set(names).sorted() : nil
    },
    write: { $0.joined(separator: " ") })

  /// Webhook scopes.
  static let webhookScopes = SettingForm(
    expectation: "webhook scopes such as store/order/created or store/order/*, separated by spaces",
    read: { text in
      let names = text.split { $0 == " " || $0 == "," }
      let scopes = names.compactMap { HookScope($0) }
      return scopes.count == names.count ? Set(scopes).sorted().map(\.text) : nil
    },
    write: { $0.joined(separator: " ") })
}

extension SettingForm where Value == String {
  /// Keys of the keyring, in order.
  static let keyring = SettingForm(
    expectation: "id:base64 of 32 bytes, several separated by commas, every id once",
    read: { text in
      // A stray line ending is a sign of a file that was mangled; the ring itself would overlook
      // it.
      guard text.utf8.allSatisfy({ $0 >= 0x20 }) else { return nil }
      return (try? Keyring(parsing: Secret(text))) == nil ? nil : text
    },
    write: { $0 })
}
