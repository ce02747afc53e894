import Base
import Configuration
import Linux

/// Collects typed values from the environment and the settings file, and everything that is wrong.
struct SettingsReader {
  /// The environment, then the file: the first that gives a setting wins, whatever its alias.
  private let layers: [ConfigReader]
  private let file: SettingsFile
  /// What is wrong so far.
  private(set) var problems: [SettingsProblem] = []
  /// What was read so far, for `doctor`.
  private(set) var effective: [EffectiveSetting] = []

  /// A value and the name under which it was given.
  private struct Given {
    let name: String
    let text: String
  }

  init(environment: [String: String]) {
    let path = environment[SettingName.config.rawValue].flatMap { $0.isEmpty ? nil : $0 }
    self.init(environment: environment, file: path.map(SettingsFile.init(path:)) ?? .none)
  }

  init(environment: [String: String], file: SettingsFile) {
    self.file = file
    let fileValues = file.values.map { name, text in
      (AbsoluteConfigKey(ConfigKey(settingName: name)), ConfigValue(.string(text), isSecret: true))
    }
    layers = [
      ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: environment)),
      ConfigReader(
        provider: InMemoryProvider(
          values: Dictionary(fileValues, uniquingKeysWith: { first, _ in first }))),
    ]
    problems = file.problems + SettingsReader.unknownNames(environment: environment, file: file)
  }

  /// The app entries of the settings file.
  var appEntries: [JSONValue] { file.apps }

  // MARK: Values

  /// A value that may be absent.
  mutating func optional<Value>(_ name: SettingName, _ form: SettingForm<Value>) -> Value? {
    let value = parsed(name, form)
    show(name, value.map(form.write), isDefault: value == nil)
    return value
  }

  /// A value with a default.
  mutating func value<Value>(
    _ name: SettingName, _ form: SettingForm<Value>, default fallback: Value
  ) -> Value {
    let value = parsed(name, form)
    show(name, form.write(value ?? fallback), isDefault: value == nil)
    return value ?? fallback
  }

  /// A secret, given directly or through a file.
  mutating func secret(_ name: SettingName, _ form: SettingForm<String>) -> Secret<String>? {
    let value = parsed(name, form)
    show(name, value.map { _ in "<redacted>" }, isDefault: value == nil)
    return value.map { Secret($0) }
  }

  /// The path of a file that can be read now.
  mutating func readableFile(_ name: SettingName) -> String? {
    guard let path = optional(name, .line(upTo: 4096)) else { return nil }
    do throws(SystemError) {
      _ = try SmallFile.read(path)
      return path
    } catch {
      problem(name, "\(error)")
      return nil
    }
  }

  /// Records what is wrong.
  mutating func problem(_ name: SettingName, _ text: String) {
    problem(name.rawValue, text)
  }

  mutating func problem(_ name: String, _ text: String) {
    problems.append(SettingsProblem(name, text))
  }

  /// Whether the setting has a value, be it right or wrong.
  func isGiven(_ name: SettingName) -> Bool {
    layers.contains { layer in
      name.acceptedNames.contains { layer.string(forKey: ConfigKey(settingName: $0)) != nil }
    }
  }

  /// The content of a file that holds one secret on one line.
  static func secretFile(_ path: String) -> Result<String, SettingsFileFault> {
    do throws(SystemError) {
      let bytes = try SmallFile.read(path, atMost: 65536)
      guard var text = String(validating: bytes, as: UTF8.self) else { return .failure(.notText) }
      if text.utf8.last == UInt8(ascii: "\n") {
        text = String(decoding: text.utf8.dropLast(), as: UTF8.self)
      }
      if text.utf8.contains(UInt8(ascii: "\r")) { return .failure(.carriageReturn) }
      if text.utf8.contains(UInt8(ascii: "\n")) { return .failure(.severalLines) }
      return text.isEmpty ? .failure(.empty) : .success(text)
    } catch {
      return .failure(.unreadable(error))
    }
  }

  // MARK: Sources

  private mutating func parsed<Value>(_ name: SettingName, _ form: SettingForm<Value>) -> Value? {
    guard let given = text(name) else { return nil }
    if let value = form.read(given.text) { return value }
    problem(given.name, "expected \(form.expectation)")
    return nil
  }

  /// The one value that is given for a setting, in the first layer that has any.
  private mutating func text(_ name: SettingName) -> Given? {
    for layer in layers {
      let given = name.acceptedNames.compactMap { accepted in
        layer.string(forKey: ConfigKey(settingName: accepted), isSecret: name.isSecret)
          .map { Given(name: accepted, text: $0) }
      }
      guard !given.isEmpty else { continue }
      return agreed(given.compactMap { content(of: $0, for: name) })
    }
    return nil
  }

  private mutating func content(of given: Given, for name: SettingName) -> Given? {
    guard !given.text.isEmpty else {
      problem(given.name, "is empty; give it a value or remove it")
      return nil
    }
    guard name.isSecret, given.name.hasSuffix("_FILE") else { return given }
    switch SettingsReader.secretFile(given.text) {
    case .success(let text): return Given(name: given.name, text: text)
    case .failure(let fault):
      problem(given.name, "\(fault)")
      return nil
    }
  }

  private mutating func agreed(_ given: [Given]) -> Given? {
    guard let first = given.first else { return nil }
    let others = given.dropFirst().filter { $0.text != first.text }
    for other in others {
      problem(first.name, "has another value than \(other.name); keep one of them")
    }
    return others.isEmpty ? first : nil
  }

  private mutating func show(_ name: SettingName, _ text: String?, isDefault: Bool) {
    // One setting may be looked at for the sake of another.
    guard !effective.contains(where: { $0.name == name }) else { return }
    effective.append(EffectiveSetting(name: name, text: text, isDefault: isDefault))
  }

  private static func unknownNames(
    environment: [String: String], file: SettingsFile
  ) -> [SettingsProblem] {
    let typos = environment.keys.filter { name in
      name.hasPrefix("LATCHKEY_") && !KnownNames.all.contains(name)
        && !KnownNames.isMadeByKubernetes(name) && !KnownNames.ofDebugBuilds.contains(name)
    }
    let strangers = file.values.keys.filter { !KnownNames.all.contains($0) }
    return typos.sorted().map {
      SettingsProblem($0, "is no setting; did you mean \(KnownNames.nearest(to: $0))?")
    }
      + strangers.sorted().map {
        SettingsProblem(
          $0, "in the settings file is no setting; did you mean \(KnownNames.nearest(to: $0))?")
      }
  }
}

/// What a setting came to.
package struct EffectiveSetting: Sendable {
  package let name: SettingName
  /// The value as it would be written, `<redacted>` for a secret, `nil` when it has none.
  package let text: String?
  /// Whether nobody gave it.
  package let isDefault: Bool
}

/// Why a file that should hold one secret does not.
enum SettingsFileFault: Error, Equatable, CustomStringConvertible {
  case unreadable(SystemError)
  case notText
  case empty
  case severalLines
  case carriageReturn

  var description: String {
    switch self {
    case .unreadable(let error): error.description
    case .notText: "the file is not UTF-8 text"
    case .empty: "the file is empty"
    case .severalLines: "the file has more than one line"
    case .carriageReturn:
      "the file has a carriage return (Windows line ending); write it with LF only"
    }
  }
}

extension ConfigKey {
  /// `LATCHKEY_LOG_LEVEL` as the key that swift-configuration looks up under that very name.
  fileprivate init(settingName: String) {
    self.init(settingName.lowercased().split(separator: "_").map(String.init))
  }
}
