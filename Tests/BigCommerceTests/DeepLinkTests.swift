import BigCommerce
import Foundation
import TestSupport
import Testing

@Suite struct `Deep links` {
  @Test(arguments: [
    "/", "/customers/12/interactions", "/products?id=3&sort=-name", "/a/b/", "/a-b_c~d.e/f",
    "/search?q=caf%C3%A9", "/orders/1#notes", "/?next=%2Forders%2F1", "/x?u=https://b.example//c",
    "/a:b@c,d;e=f!$()*", "/%7Euser", "/100%25",
  ])
  func `a relative path is kept`(_ url: String) {
    #expect(DeepLink.path(from: url) == url)
  }

  @Test func `without a path the link is the root`() {
    #expect(DeepLink.path(from: nil) == "/")
    #expect(DeepLink.path(from: "") == "/")
  }

  @Test func `none of 300 open redirects leaves the origin`() throws {
    let payloads = RedirectCorpus.payloads
    #expect(payloads.count >= 300)
    for payload in payloads { try expectOnSite(payload) }
  }

  @Test func `what is certainly an escape becomes the root`() {
    for payload in RedirectCorpus.escapes {
      #expect(DeepLink.path(from: payload) == "/", "\(payload.debugDescription)")
    }
  }

  @Test func `no mutation of a payload leaves the origin`() throws {
    var random = SeededGenerator()
    for _ in 0..<count(ordinary: 5000, full: 200_000) {
      let bytes = random.mutated(
        Array((RedirectCorpus.payloads.randomElement(using: &random) ?? "").utf8))
      try expectOnSite(String(decoding: bytes, as: UTF8.self), seed: random.seed)
    }
  }

  /// Looks at the result as a browser would, however often somebody decodes it on the way.
  private func expectOnSite(_ payload: String, seed: UInt64 = 0) throws {
    let link = DeepLink.path(from: payload)
    let note = Comment(rawValue: "\(payload.debugDescription) became \(link), seed \(seed)")
    #expect(link.hasPrefix("/"), note)
    #expect(link.utf8.allSatisfy { (0x21...0x7E).contains($0) }, note)
    var seen = link
    for _ in 0..<4 {
      // Browsers take a backslash for a slash and drop tabs and line ends.
      let path = seen.prefix { $0 != "?" && $0 != "#" }
      #expect(!path.contains("\\") && !path.contains("//"), note)
      #expect(!seen.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }, note)
      if let url = URL(string: seen, relativeTo: URL(string: "https://app.example/")) {
        #expect(url.host() == "app.example", note)
        #expect(url.scheme == "https", note)
      }
      guard let decoded = seen.removingPercentEncoding, decoded != seen else { break }
      seen = decoded
    }
  }
}

/// Texts that try to make a browser leave the app's origin, or to split a header.
enum RedirectCorpus {
  private static let hosts = [
    "evil.example", "evil.example/", "evil.example/%2f..", "evil%2eexample", "3232235777", "[::1]",
    "0x7f.1", "evil.example:443", "app.example@evil.example", "app.example.evil.example",
    "evil.example?app.example", "evil.example#app.example", "%65vil.example", "evil。example",
  ]

  private static let openings = [
    "//", "///", "////", "/\\", "\\/", "\\\\", "\\", "/\t/", "/\n/", "/\r/", "/\u{0}/", "/ /",
    "http://", "https://", "https:", "https:/", "https:\\\\", "https:///", "HTTPS://", "hTtPs:\\/",
    "ftp://", "//\\", "/\\/", "/%2f", "/%2F/", "/%5c", "/%5C/", "/%252f", "/%25252f", "/%2525252f",
    "/%09/", "/%0a/", "/%0d/", "/%00/", "%2f%2f", "%2f/", "%5c%5c", "/.//", "/..//", "/./", "/../",
    "/%2e/", "/%2e%2e/", "/%2e%2e%2f/", "/a//", "/a/..//", "\t//", " //", "\u{feff}//", "@", ".",
    "",
    "/%%32%66", "/%c0%af", "/%e0%80%af", "/%ef%bc%8f", "／／", "/／", "〳", "//%09/", "/;//", "/?//",
  ]

  private static let schemes = [
    "javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", "/javascript:alert(1)",
    "javascript://%0aalert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x",
    "file:///etc",
    "mailto:a@b", "blob:https://evil.example/x", "about:blank", "ws://evil.example",
    "view-source:x",
    "intent://evil.example#Intent;end", "javascript&colon;alert(1)", "\u{1}javascript:alert(1)",
  ]

  private static let splits = [
    "/\r\nLocation: https://evil.example", "/%0d%0aLocation:%20https://evil.example",
    "/%0aSet-Cookie:x=1", "/%0dSet-Cookie:x=1", "/%250d%250aSet-Cookie:x", "/x%00", "/x\u{0}",
    "/%25%30%61x", "/%E5%98%8A%E5%98%8DSet-Cookie:x\u{560a}", "/x\u{2028}y", "/x\u{85}y",
    "/x\u{7f}",
    "/?x=%0d%0aSet-Cookie:x", "/?x=\r\nSet-Cookie:x", "/#%0d%0aX:y", "/x%0b", "/x%0c", "/x%1f",
    "/%23%0aX", "/<script>", "/\"onload=x", "/'x", "/x y", "/x\ty", "/`x", "/^x", "/é",
    "/" + String(repeating: "a", count: 2048),
  ]

  /// All that must come out as `/`.
  static let escapes: [String] = {
    let openingsThatEscape = openings.filter {
      !["/.//", "", ".", "@", "/?//", "/%c0%af", "/%e0%80%af", "/%ef%bc%8f"].contains($0)
    }
    return openingsThatEscape.map { $0 + "evil.example" } + schemes.filter { !$0.hasPrefix("/") }
      + splits
  }()

  static let payloads: [String] =
    openings.flatMap { opening in hosts.map { opening + $0 } } + schemes + splits
}
