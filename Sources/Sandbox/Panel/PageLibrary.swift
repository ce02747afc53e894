import Base
import Mustache
import NIOHTTP1

/// The HTML pages, compiled from the templates that the program carries.
struct PageLibrary: Sendable {
  private let library: MustacheLibrary
  let style: [UInt8] = PackageResources.style_css

  init() throws {
    let sources: [(String, [UInt8])] = [
      ("layout", PackageResources.layout_mustache),
      ("stores", PackageResources.stores_mustache),
      ("store", PackageResources.store_mustache),
      ("frame", PackageResources.frame_mustache),
      ("consent", PackageResources.consent_mustache),
      ("message", PackageResources.message_mustache),
      ("external", PackageResources.external_mustache),
    ]
    var templates: [String: MustacheTemplate] = [:]
    for (name, bytes) in sources {
      templates[name] = try MustacheTemplate(string: String(decoding: bytes, as: UTF8.self))
    }
    library = MustacheLibrary(templates: templates)
  }

  func render(_ page: String, _ values: [String: Any]) -> SandboxResponse {
    guard let html = library.render(values, withTemplate: page) else {
      return .html("no page \(page)", status: .internalServerError)
    }
    return .html(html)
  }

  /// A page with one message.
  func message(
    title: String, text: String, detail: String = "", back: String = "/"
  ) -> SandboxResponse {
    render(
      "message",
      [
        "title": title, "text": text, "detail": detail, "hasDetail": !detail.isEmpty, "back": back,
      ])
  }
}
