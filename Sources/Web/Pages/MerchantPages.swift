import Base
import HTTPTypes
import Hummingbird
import Install
import Mustache

/// Turns a page's facts into the page, with the brand and the policy that lets the control panel
/// frame it.
struct MerchantPages: Sendable {
  private let brand: Brand
  private let template: MustacheTemplate
  /// `Content-Security-Policy` of a merchant's page.
  let policy: String
  /// The same for pages that nobody frames.
  let unframedPolicy: String

  /// Compiles the template; `frameAncestors` are the origins that may frame a page.
  init(brand: Brand, frameAncestors: [String]) throws {
    self.brand = brand
    let style = PageStyle(color: brand.color)
    PageEscaping.register()
    // The stylesheet is our own and must not be escaped, so it is part of the template and not a
    // value.
    template = try MustacheTemplate(
      string: PageTemplate.html.replacing("%STYLE%", with: style.css, maxReplacements: 1))
    let images = brand.logoOrigin.map { "; img-src \($0)" } ?? ""
    let ancestors = frameAncestors.isEmpty ? "'none'" : frameAncestors.joined(separator: " ")
    let rest =
      "default-src 'none'; style-src '\(style.hash)'\(images); base-uri 'none'; form-action 'none'"
    policy = "\(rest); frame-ancestors \(ancestors)"
    unframedPolicy = "\(rest); frame-ancestors 'none'"
  }

  func response(_ page: MerchantPage, _ requestID: RequestID) -> Response {
    answer(text(page, requestID), status: page.status, policy)
  }

  /// The page itself.
  func text(_ page: MerchantPage, _ requestID: RequestID) -> String {
    let missing: [String] =
      switch page.kind {
      case .connected(let scopes), .opened(let scopes): scopes
      case .alreadyConnected, .failed: []
      }
    return html(
      PageWords(page.kind, brand: brand.name), store: page.store, missing: missing,
      requestID: requestID)
  }

  /// The page at `/`, for people who look what this address is.
  func home() -> Response {
    answer(
      html(.home(brand: brand.name), store: nil, missing: [], requestID: nil), status: 200,
      unframedPolicy)
  }

  private func answer(_ text: String, status: Int, _ policy: String) -> Response {
    var response = Response(status, "text/html; charset=utf-8", Array(text.utf8))
    response.headers[.contentSecurityPolicy] = policy
    return response
  }

  private func html(
    _ words: PageWords, store: StoreHash?, missing: [String], requestID: RequestID?
  ) -> String {
    let view = PageView(
      title: words.title, lead: words.lead, steps: words.steps, tone: words.tone.rawValue,
      isGood: words.tone == .good, isWaiting: words.tone == .wait, isBad: words.tone == .bad,
      hasSteps: !words.steps.isEmpty, missingScopes: missing, hasMissingScopes: !missing.isEmpty,
      brand: brand.name, initial: brand.name.prefix(1).uppercased(), logo: brand.logoURL,
      support: brand.supportURL, store: store?.text, requestID: requestID?.text)
    return template.render(view)
  }
}

/// What the template reads.
private struct PageView {
  let title: String
  let lead: String
  let steps: [String]
  let tone: String
  let isGood: Bool
  let isWaiting: Bool
  let isBad: Bool
  let hasSteps: Bool
  let missingScopes: [String]
  let hasMissingScopes: Bool
  let brand: String
  let initial: String
  let logo: String?
  let support: String?
  let store: String?
  let requestID: String?
}
