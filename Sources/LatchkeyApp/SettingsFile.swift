import Base
import Foundation
import Linux
import Yams

/// The settings file: `apps`, and any other setting under its own name.
///
/// Names are written as in the environment, in either case, whole (`latchkey_log_level: debug`) or
/// nested (`latchkey: {log_level: debug}`). JSON and YAML mean the same.
struct SettingsFile {
  /// Values by their upper-case name.
  var values: [String: String] = [:]
  /// The entries of `apps`, unchecked.
  var apps: [JSONValue] = []
  /// What could not be read; a file with problems still shows the rest.
  var problems: [SettingsProblem] = []

  static let none = SettingsFile()

  /// Reads YAML, or JSON when the name ends in `.json`.
  init(path: String) {
    let bytes: [UInt8]
    do throws(SystemError) {
      bytes = try SmallFile.read(path)
    } catch {
      problems.append(.init(SettingName.config.rawValue, "\(error)"))
      return
    }
    guard let document = SettingsFile.parse(bytes, json: path.hasSuffix(".json")) else {
      problems.append(
        .init(SettingName.config.rawValue, "\(path) is not well-formed, or names something twice"))
      return
    }
    take(document)
  }

  /// As if read from a file.
  init(text: String, json: Bool) {
    if let document = SettingsFile.parse(Array(text.utf8), json: json) {
      take(document)
    } else {
      problems.append(
        .init(SettingName.config.rawValue, "is not well-formed, or names something twice"))
    }
  }

  private init() {}

  private mutating func take(_ document: JSONValue) {
    if document == .null { return }
    guard let members = document.members else {
      problems.append(.init(SettingName.config.rawValue, "must hold names and values"))
      return
    }
    for member in members {
      if member.name.lowercased() == "apps" {
        takeApps(member.value)
      } else {
        flatten(member.value, name: member.name.uppercased())
      }
    }
  }

  private mutating func takeApps(_ value: JSONValue) {
    guard let entries = value.array else {
      problems.append(.init("apps", "must be a list of apps"))
      return
    }
    apps += entries
  }

  private mutating func flatten(_ value: JSONValue, name: String) {
    switch value {
    case .object(let members):
      for member in members { flatten(member.value, name: name + "_" + member.name.uppercased()) }
    case .array(let items):
      let texts = items.compactMap(\.scalarText)
      guard texts.count == items.count else {
        problems.append(.init(name, "must be a list of plain values"))
        return
      }
      set(name, texts.joined(separator: ","))
    case .null: break
    default: set(name, value.scalarText ?? "")
    }
  }

  private mutating func set(_ name: String, _ text: String) {
    if values.updateValue(text, forKey: name) != nil {
      problems.append(.init(name, "stands twice in the settings file"))
    }
  }

  private static func parse(_ bytes: [UInt8], json: Bool) -> JSONValue? {
    if json { return try? JSONScanner.parse(bytes) }
    guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
    do {
      guard let node = try Yams.compose(yaml: text) else { return .null }
      return value(of: node)
    } catch {
      return nil
    }
  }

  private static func value(of node: Node) -> JSONValue? {
    switch node {
    case .scalar(let scalar):
      return node.null == nil ? .string(scalar.string) : .null
    case .sequence(let items):
      let values = items.compactMap { value(of: $0) }
      return values.count == items.count ? .array(values) : nil
    case .mapping(let pairs):
      var members: [JSONValue.Member] = []
      for (key, item) in pairs {
        guard let name = key.string, let value = value(of: item) else { return nil }
        members.append(.init(name, value))
      }
      return .object(members)
    case .alias: return nil
    }
  }
}

extension JSONValue {
  /// A plain value as it would be written in the environment.
  var scalarText: String? {
    switch self {
    case .string(let text), .number(let text): text
    case .bool(let value): value ? "true" : "false"
    case .null, .array, .object: nil
    }
  }
}
