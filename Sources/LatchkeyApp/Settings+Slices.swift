import Base
import HTTPTypes
import Linux
import Logging
import Vault
import Web

extension PlatformSettings {
  init(_ reader: inout SettingsReader) {
    login = reader.value(.loginURL, .origin, default: .https("login.bigcommerce.com"))
    api = reader.value(.apiURL, .origin, default: .https("api.bigcommerce.com"))
    caFile = reader.readableFile(.caFile)
  }
}

extension BrandSettings {
  init(_ reader: inout SettingsReader) {
    name = reader.value(.brandName, .line(upTo: 60), default: "Latchkey")
    logoURL = reader.optional(.brandLogoURL, .page)?.description
    color = reader.value(.brandColor, .color, default: "#34313f")
    supportURL = reader.optional(.brandSupportURL, .supportLink)
  }
}

extension ListenerSettings {
  static func publicOne(_ reader: inout SettingsReader) -> ListenerSettings {
    let address = reader.value(.publicAddress, .address, default: .loopback(port: 8080))
    let tls = files(&reader, .publicCertificate, .publicPrivateKey, clientCA: nil)
    return ListenerSettings(address: address, tls: tls)
  }

  static func internalOne(_ reader: inout SettingsReader) -> ListenerSettings {
    let address = reader.value(.internalAddress, .address, default: .loopback(port: 8081))
    let tls = files(&reader, .internalCertificate, .internalPrivateKey, clientCA: .internalClientCA)
    let allowsPlain = reader.value(.insecureInternal, .flag, default: false)
    let asksForTLS = reader.isGiven(.internalCertificate)
    if !address.isLoopback && !asksForTLS && !allowsPlain {
      reader.problem(
        .internalAddress,
        "would carry service keys unencrypted beyond this machine: set LATCHKEY_INTERNAL_TLS_CERT and "
          + "_KEY, or LATCHKEY_INSECURE_INTERNAL=true where only trusted containers can connect")
    }
    if address == reader.value(.publicAddress, .address, default: .loopback(port: 8080)),
      address.port != 0
    {
      reader.problem(.internalAddress, "is the public listener's address as well")
    }
    return ListenerSettings(address: address, tls: tls)
  }

  private static func files(
    _ reader: inout SettingsReader, _ certificate: SettingName, _ privateKey: SettingName,
    clientCA: SettingName?
  ) -> TLSIdentity.Files? {
    let certificatePath = reader.readableFile(certificate)
    let privateKeyPath = reader.readableFile(privateKey)
    let clientCAPath = clientCA.flatMap { reader.readableFile($0) }
    let (hasCertificate, hasKey) = (reader.isGiven(certificate), reader.isGiven(privateKey))
    if hasCertificate != hasKey {
      let (missing, present) = hasKey ? (certificate, privateKey) : (privateKey, certificate)
      reader.problem(missing, "is needed with \(present.rawValue)")
    }
    if let clientCA, reader.isGiven(clientCA), !hasCertificate, !hasKey {
      reader.problem(clientCA, "has no effect without \(certificate.rawValue)")
    }
    guard let certificatePath, let privateKeyPath else { return nil }
    return TLSIdentity.Files(
      certificate: certificatePath, key: privateKeyPath, clientAuthorities: clientCAPath)
  }
}

extension ConsoleProxy {
  /// `nil` when there is none, or when something is wrong with it.
  init?(_ reader: inout SettingsReader) {
    let secret = reader.secret(.consoleProxySecret, .sharedSecret)
    let key = reader.optional(.consoleProxyKey, .keyID)
    let header = reader.value(
      .consoleProxyUserHeader, .fieldName, default: Defaults.consoleUserHeader)
    let (hasSecret, hasKey) = (
      reader.isGiven(.consoleProxySecret), reader.isGiven(.consoleProxyKey)
    )
    if hasSecret != hasKey {
      let (missing, present) =
        hasSecret
        ? (SettingName.consoleProxyKey, SettingName.consoleProxySecret)
        : (.consoleProxySecret, .consoleProxyKey)
      reader.problem(missing, "is needed with \(present.rawValue)")
    }
    if reader.isGiven(.consoleProxyUserHeader), !hasSecret, !hasKey {
      reader.problem(
        .consoleProxyUserHeader, "has no effect without \(SettingName.consoleProxySecret.rawValue)")
    }
    guard let secret, let key, let field = HTTPField.Name(header) else { return nil }
    self.init(secret: secret, keyID: key, userField: field)
  }
}

extension SettingForm where Value == String {
  /// A secret between machines.
  static let sharedSecret = SettingForm(
    expectation: "32 to 200 printable characters without spaces",
    read: { $0.isToken && (32...200).contains($0.utf8.count) ? $0 : nil }, write: { $0 })

  /// The ID of a service key, not the key.
  static let keyID = SettingForm(
    expectation: "the ID of a service key, 12 characters; not the key itself",
    read: { ServiceKey.isID($0) ? $0 : nil }, write: { $0 })

  /// The name of a field that only a proxy would set.
  static let fieldName = SettingForm(
    expectation: "the name of a header, such as X-Forwarded-User",
    read: { text in
      let isName = text.utf8.allSatisfy {
        $0.isASCIIDigit || $0 == UInt8(ascii: "-")
          || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
      }
      return isName && (1...100).contains(text.utf8.count) ? text : nil
    }, write: { $0 })
}

extension RetentionSettings {
  init(_ reader: inout SettingsReader) {
    let days = SettingForm.integer(1...3650, unit: " of days")
    events = reader.value(.retentionEvents, days, default: 30)
    deliveries = reader.value(.retentionDeliveries, days, default: 14)
    usage = reader.value(
      .retentionUsage, SettingForm.integer(0...3650, unit: " of days"), default: 90)
    uninstalled = reader.value(.retentionUninstalled, days, default: 30)
  }
}

extension LogSettings {
  init(_ reader: inout SettingsReader) {
    level = reader.value(.logLevel, .word, default: .info)
    format = reader.optional(.logFormat, .word)
  }
}

extension ListenAddress {
  static func loopback(port: UInt16) -> ListenAddress {
    ListenAddress(host: "127.0.0.1", port: Int(port))
  }
}

extension SettingsProblems {
  /// By name; what was reported twice stands once.
  init(sorting problems: [SettingsProblem]) {
    self.init(Set(problems).sorted { ($0.name, $0.text) < ($1.name, $1.text) })
  }
}

extension Defaults {
  /// `.latchkey` in the current directory, `/var/lib/latchkey` for the superuser.
  static var dataDirectory: String {
    UserAccount.currentUserID == 0 ? "/var/lib/latchkey" : ".latchkey"
  }
}
