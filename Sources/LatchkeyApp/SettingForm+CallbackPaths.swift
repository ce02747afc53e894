/// A further path at which one of BigCommerce's callbacks arrives.
package struct CallbackPath: Hashable, Sendable {
  /// Which callback.
  package enum Kind: String, CaseIterable, Sendable {
    case install, load, uninstall
    case removeUser = "remove_user"
  }

  package let kind: Kind
  /// As configured in the Developer Portal, from its first `/`.
  package let path: String

  package init(_ kind: Kind, _ path: String) {
    self.kind = kind
    self.path = path
  }

  /// The paths that are always there, for the app `default`.
  package static let builtIn: [CallbackPath] = [
    .init(.install, "/auth/callback"), .init(.install, "/auth"),
    .init(.load, "/auth/load"), .init(.load, "/load"),
    .init(.uninstall, "/auth/uninstall"), .init(.uninstall, "/uninstall"),
    .init(.removeUser, "/auth/remove_user"), .init(.removeUser, "/remove_user"),
  ]
}

extension SettingForm where Value == [CallbackPath] {
  /// Kinds and paths, as in `install=/api/auth,load=/api/load`.
  static let callbackPaths = SettingForm(
    expectation: "install, load, uninstall or remove_user, each with = and a path, separated by "
      + "commas; a path once, none of Latchkey's own",
    read: { text in
      let parts = text.split { $0 == "," || $0 == " " }
      let paths = parts.compactMap(callbackPath)
      let all = Set((paths + CallbackPath.builtIn).map(\.path))
      let areDistinct = all.count == paths.count + CallbackPath.builtIn.count
      return !paths.isEmpty && paths.count == parts.count && areDistinct ? paths : nil
    },
    write: { $0.map { "\($0.kind.rawValue)=\($0.path)" }.joined(separator: ",") })

  private static func callbackPath(_ text: Substring) -> CallbackPath? {
    guard let equals = text.firstIndex(of: "=") else { return nil }
    let path = text[text.index(after: equals)...]
    guard let kind = CallbackPath.Kind(rawValue: String(text[..<equals])), isPlainPath(path) else {
      return nil
    }
    return CallbackPath(kind, String(path))
  }

  /// Segments of letters, digits, `-`, `_`, `.` and `~`, outside of what Latchkey serves itself.
  private static func isPlainPath(_ path: Substring) -> Bool {
    guard path.hasPrefix("/"), path.utf8.count <= 200 else { return false }
    let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    let own: Set<Substring> = ["apps", "webhooks", "healthz", "stores", "v1"]
    guard let first = segments.first, !own.contains(first), path != "/auth/install" else {
      return false
    }
    return segments.allSatisfy { segment in
      !segment.isEmpty && segment != "." && segment != ".."
        && segment.utf8.allSatisfy {
          $0.isASCIIDigit || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
            || "-_.~".utf8.contains($0)
        }
    }
  }
}
