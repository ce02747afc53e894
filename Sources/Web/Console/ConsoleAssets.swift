import Base
import Crypto
import HTTPTypes
import Hummingbird

/// The console's stylesheet, script and icon: our own, as they stand in the source.
///
/// An asset's address names its content, so browsers keep it until it changes.
struct ConsoleAssets: Sendable {
  static let prefix = "/console/assets/"

  /// One file.
  struct Asset: Sendable {
    let name: String
    let type: String
    let bytes: [UInt8]
    /// The first 16 hexadecimal digits of its SHA-256.
    let version: String

    init(_ name: String, _ type: String, _ bytes: [UInt8]) {
      self.name = name
      self.type = type
      self.bytes = bytes
      version = String(Hex.encode(Array(SHA256.hash(data: bytes))).prefix(16))
    }

    /// Where pages point.
    var path: String { "\(ConsoleAssets.prefix)\(name)?v=\(version)" }
    var tag: String { "\"\(version)\"" }
  }

  let style = Asset("console.css", "text/css; charset=utf-8", PackageResources.console_css)
  let script = Asset(
    "console.js", "text/javascript; charset=utf-8", PackageResources.console_js)
  let icon = Asset("icon.svg", "image/svg+xml", PackageResources.icon_svg)

  func response(to request: WebRequest) -> Response {
    guard request.method == .get || request.method == .head else {
      return Response(.methodNotAllowed(["GET", "HEAD"]), request.requestID)
    }
    let name = request.target.path.dropFirst(Self.prefix.count)
    guard let asset = [style, script, icon].first(where: { $0.name == name }) else {
      return Response(.noRoute, request.requestID)
    }
    var response: Response
    if request.headers[values: .ifNoneMatch].contains(asset.tag) {
      response = Response(status: .notModified)
    } else {
      response = Response(200, asset.type, asset.bytes)
    }
    response.headers[.eTag] = asset.tag
    let isCurrent = request.target.query.map { $0 == "v=\(asset.version)" } ?? false
    response.headers[.cacheControl] =
      isCurrent ? "private, max-age=31536000, immutable" : "no-cache"
    return response
  }
}
