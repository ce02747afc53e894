package import Base

/// The path and query of a call through the gateway, read once and found canonical.
///
/// BigCommerce gets exactly ``text``, so nothing here may be read in two ways: a path that some
/// decoder, at some depth, would resolve to another place than the one its bytes name is refused.
package struct Target: Hashable, Sendable {
  /// Which API of the store is meant.
  package enum Surface: Hashable, Sendable {
    case v2, v3, graphql
  }

  /// The bytes as they arrived, and as they leave.
  package let text: String
  package let store: StoreHash
  package let surface: Surface

  /// The path behind `/stores/{hash}`, such as `/v3/catalog/products/7`, for the endpoint table.
  package let resourcePath: Substring

  /// Reads a request target in origin form.
  package init(parsing text: String) throws(TargetFault) {
    let bytes = text.utf8
    let path = bytes.prefix { $0 != UInt8(ascii: "?") }
    try Target.checkQuery(bytes[path.endIndex...].dropFirst())
    let segments = try PathReader.segments(of: path)
    guard segments.count >= 3, segments[0] == "stores" else { throw .notAStorePath }
    guard let store = StoreHash(segments[1]) else { throw .storeHash }
    surface = try Target.surface(segments, trailingSlash: path.last == UInt8(ascii: "/"))
    self.text = text
    self.store = store
    // The slash before the third segment is the byte after the second.
    resourcePath = Substring(path)[segments[1].endIndex...]
  }

  private static func surface(
    _ segments: [Substring], trailingSlash: Bool
  ) throws(TargetFault) -> Surface {
    switch segments[2] {
    case "v2": return .v2
    case "v3": return .v3
    case "graphql":
      guard segments.count == 3, !trailingSlash else { throw .behindGraphQL }
      return .graphql
    default: throw .surface
    }
  }

  /// A query passes verbatim: any printable ASCII but `#`.
  private static func checkQuery(_ query: Substring.UTF8View) throws(TargetFault) {
    for byte in query {
      guard byte > 0x20, byte < 0x7F else { throw .forbiddenByte }
      guard byte != UInt8(ascii: "#") else { throw .fragment }
    }
  }
}
