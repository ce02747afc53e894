package import Base
import Fields

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
    let bytes = text.utf8.span
    var end = 0
    while end < bytes.count, bytes[end] != UInt8(ascii: "?") { end += 1 }
    if end < bytes.count { try Target.checkQuery(bytes.extracting((end + 1)...)) }
    let path = bytes.extracting(..<end)
    let segments = try PathReader.segments(of: path)
    guard segments.count >= 3, path.extracting(segments.first).isText("stores") else {
      throw .notAStorePath
    }
    guard let store = StoreHash(text.substring(segments.second)) else { throw .storeHash }
    surface = try Target.surface(path, segments)
    self.text = text
    self.store = store
    // The slash before the third segment is the byte after the second.
    resourcePath = text.substring(segments.second.upperBound..<end)
  }

  private static func surface(
    _ path: Span<UInt8>, _ segments: PathReader.Segments
  ) throws(TargetFault) -> Surface {
    let name = path.extracting(segments.third)
    if name.isText("v3") { return .v3 }
    if name.isText("v2") { return .v2 }
    guard name.isText("graphql") else { throw .surface }
    guard segments.third.upperBound == path.count else { throw .behindGraphQL }
    return .graphql
  }

  /// A query passes verbatim: any printable ASCII but `#`.
  private static func checkQuery(_ query: Span<UInt8>) throws(TargetFault) {
    for index in query.indices {
      guard query[index] > 0x20, query[index] < 0x7F else { throw .forbiddenByte }
      guard query[index] != UInt8(ascii: "#") else { throw .fragment }
    }
  }
}

extension String {
  /// The text of these bytes, at whose ends characters begin.
  fileprivate func substring(_ bytes: Range<Int>) -> Substring {
    let start = utf8.index(utf8.startIndex, offsetBy: bytes.lowerBound)
    return self[start..<utf8.index(start, offsetBy: bytes.count)]
  }
}
