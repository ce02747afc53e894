import Base
import Crypto
import Hummingbird
import Install
import Mustache

/// Renders what merchants see, with the deployment's brand.
struct MerchantPages: Sendable {
  /// `Content-Security-Policy` of every page.
  let policy: String
  private let brand: Brand
  private let template: MustacheTemplate

  /// Compiles the template; `frameAncestors` are the origins that may frame a page.
  init(brand: Brand, frameAncestors: [String]) throws {
    self.brand = brand
    let style = PageTemplate.style(color: brand.color)
    // The stylesheet is our own and must not be escaped, so it is part of the template and not a value.
    template = try MustacheTemplate(
      string: PageTemplate.text.replacing("{{style}}", with: style))
    let digest = Base64.encode(Array(SHA256.hash(data: Array(style.utf8))))
    let images = brand.logoURL.flatMap { Origin($0.origin) }?.text ?? "'none'"
    let ancestors = frameAncestors.isEmpty ? "'none'" : frameAncestors.joined(separator: " ")
    policy =
      "default-src 'none'; style-src 'sha256-\(digest)'; img-src \(images) data:; "
      + "base-uri 'none'; form-action 'none'; frame-ancestors \(ancestors)"
  }

  func response(_ page: MerchantPage, _ requestID: RequestID) -> Response {
    var scopes: [String] = []
    switch page.kind {
    case .connected(let missing), .opened(let missing): scopes = missing
    case .alreadyConnected, .failed: break
    }
    return html(page.status, PageText(page.kind), scopes, page.store, requestID)
  }

  /// The page at `/`, for people who look what this address is.
  func home(_ requestID: RequestID) -> Response {
    html(
      200,
      PageText(
        .calm, brand.name,
        "This app runs inside the BigCommerce control panel. Open it there under Apps."),
      [], nil, requestID)
  }

  private func html(
    _ status: Int, _ text: PageText, _ scopes: [String], _ store: StoreHash?,
    _ requestID: RequestID
  ) -> Response {
    var context: [String: Any] = [
      "title": text.title, "brand": brand.name, "tone": text.tone.rawValue, "lead": text.lead,
      "hasSteps": !text.steps.isEmpty, "steps": text.steps, "hasScopes": !scopes.isEmpty,
      "scopes": scopes, "request": requestID.text,
    ]
    // A name that is absent ends its section; an empty text would not.
    context["logo"] = brand.logoURL
    context["store"] = store?.text
    context["support"] = brand.supportURL
    return Response(status, "text/html; charset=utf-8", Array(template.render(context).utf8))
  }
}

extension String {
  /// Scheme, host and port of a URL.
  fileprivate var origin: String {
    let parts = split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
    return parts.prefix(3).joined(separator: "/")
  }
}
