import Base
import Crypto
import Foundation
import Install
import NIOCore
import TestSupport
import Testing

@testable import Web

@Suite struct `Merchant pages` {
  private static let hostile = "<script>alert(1)</script>\"' onerror=x \"\u{301}x=y"

  private static let kinds: [MerchantPage.Kind] =
    [
      .connected(missingScopes: []), .connected(missingScopes: ["store_v2_orders", hostile]),
      .alreadyConnected,
      .opened(missingScopes: ["store_cart"]),
    ] + MerchantPage.Failure.allCases.map { .failed($0) }

  private func html(_ kind: MerchantPage.Kind, _ brand: Brand = Brand(name: "Acme")) throws
    -> String
  {
    let pages = try MerchantPages(brand: brand, frameAncestors: ["https://*.mybigcommerce.com"])
    let status = if case .failed = kind { 400 } else { 200 }
    let page = MerchantPage(status: status, kind: kind, store: StoreHash("abc123"))
    let id = try #require(RequestID("r1-0000001"))
    return pages.text(page, id)
  }

  @Test func `a page that lists missing permissions does not say that all is well`() {
    for kind in [MerchantPage.Kind.connected(missingScopes: ["x"]), .opened(missingScopes: ["x"])] {
      let words = PageWords(kind, brand: "B")
      #expect(words.lead.contains("not every permission was granted"))
      #expect(!words.lead.contains("in order") && !words.lead.contains("nothing else"))
    }
  }

  @Test func `the template never inserts without escaping, and has no script or inline style`() {
    #expect(!PageTemplate.html.contains("{{{") && !PageTemplate.html.contains("{{&"))
    #expect(!PageTemplate.html.contains("<script") && !PageTemplate.html.contains("style="))
    #expect(!PageTemplate.html.lowercased().contains("javascript:"))
  }

  @Test func `hostile names stay text, even with an accent on the quotation mark`() throws {
    let brand = Brand(name: Self.hostile, supportURL: "mailto:a@b.example")
    for kind in Self.kinds {
      let page = try html(kind, brand)
      #expect(!page.contains("<script") && !page.contains("\"\u{301}"))
      #expect(page.contains("&lt;script&gt;"))
    }
  }

  @Test func `every page says what happened, for which store, with an ID, a language and headings`()
    throws
  {
    for kind in Self.kinds {
      let page = try html(kind)
      #expect(page.contains("<html lang=\"en\">") && page.contains("name=\"viewport\""))
      #expect(page.components(separatedBy: "<h1>").count == 2)
      #expect(page.contains("r1-0000001") && page.contains("abc123") && page.contains("Acme"))
      #expect(!page.contains("{{") && !page.contains("Optional("))
      #expect(!page.contains("href=\"\"") && !page.contains("src=\"\""))
    }
  }

  @Test
  func
    `a lost or spent connection tells to uninstall and install again, and is never shown as connected`()
    throws
  {
    for failure in [MerchantPage.Failure.connectionLost, .codeRefused, .notConnected] {
      let page = try html(.failed(failure))
      #expect(page.contains("Uninstall the app") && page.contains("Install it again"))
      #expect(!page.contains("Acme is connected"))
    }
    #expect(try html(.failed(.databaseAway)).contains("Reload this page"))
  }

  @Test func `the policy names the stylesheet that is in the page`() throws {
    let pages = try MerchantPages(
      brand: Brand(
        name: "Acme", logoURL: "https://cdn.example.com:8443/logo.png?x=1", color: "#c02"),
      frameAncestors: ["https://a.example", "https://b.example"])
    let id = try #require(RequestID("r"))
    let page = pages.text(MerchantPage(status: 200, kind: .alreadyConnected), id)
    let start = try #require(page.range(of: "<style>"))
    let end = try #require(page.range(of: "</style>"))
    let css = Array(page[start.upperBound..<end.lowerBound].utf8)
    let hash = Base64.encode(Array(SHA256.hash(data: css)))
    #expect(
      pages.policy
        == "default-src 'none'; style-src 'sha256-\(hash)'; img-src https://cdn.example.com:8443; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors https://a.example https://b.example"
    )
  }

  @Test func `settings that cannot be shown safely are left out`() {
    for url in [
      "http://x/a.png", "javascript:x", "https://x\"/a", "https:///a", "https://a;b/",
      "https://a b/", "//x",
    ] {
      #expect(Brand(name: "A", logoURL: url).logoURL == nil)
      #expect(Brand(name: "A", supportURL: url).supportURL == nil)
    }
    #expect(Brand(name: "A", supportURL: "mailto:help@example.com").supportURL != nil)
    #expect(Brand(name: "A", color: "red}*{x:y").color == .standard)
  }

  @Test func `every brand colour gives text that can be read`() throws {
    let night = try #require(BrandColor("#1a1c21"))
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<2000 {
      let text = String(UInt32.random(in: 0x100_0000...0x1FF_FFFF, using: &generator), radix: 16)
      let color = try #require(BrandColor("#" + text.dropFirst()))
      #expect(color.readable(on: .white, towards: .black).contrast(to: .white) >= 4.5)
      #expect(color.readable(on: night, towards: .white).contrast(to: night) >= 4.5)
      #expect(max(color.contrast(to: .white), color.contrast(to: .black)) >= 4.5)
    }
    #expect(abs(BrandColor.white.contrast(to: .black) - 21) < 0.001)
  }

  /// Writes all pages for a person to look at.
  @Test(
    .enabled(if: ProcessInfo.processInfo.environment["LATCHKEY_PAGES"] != nil, "only on request"))
  func `pages for looking at`() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["LATCHKEY_PAGES"])
    let brand = Brand(
      name: "Parcel Harbor", color: "#0f7b6c", supportURL: "https://example.com/help")
    for (index, kind) in Self.kinds.enumerated() where index != 1 {
      try html(kind, brand).write(
        toFile: "\(folder)/\(index).html", atomically: true, encoding: .utf8)
    }
    try html(.connected(missingScopes: ["store_v2_orders", "store_v2_products_read_only"]), brand)
      .write(toFile: "\(folder)/1.html", atomically: true, encoding: .utf8)
  }
}
