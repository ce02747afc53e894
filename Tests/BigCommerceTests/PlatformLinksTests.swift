import Base
import BigCommerce
import Testing

@Suite struct `Platform links` {
  @Test func `install links stand under the app's client ID`() throws {
    let login = try #require(Origin("https://login.bigcommerce.com"))
    let links = PlatformLinks(login: login, clientID: "236754")
    #expect(links.install == "https://login.bigcommerce.com/app/236754/install")
    #expect(links.succeeded == "https://login.bigcommerce.com/app/236754/install/succeeded")
    #expect(links.failed == "https://login.bigcommerce.com/app/236754/install/failed")
    #expect(
      PlatformLinks(login: login, clientID: "../x?y").install
        == "https://login.bigcommerce.com/app/..%2Fx%3Fy/install")
  }

  @Test func `control panels may frame the pages`() {
    #expect(
      FrameAncestors.bigCommerce.description
        == "frame-ancestors https://*.mybigcommerce.com https://*.bigcommerce.com")
    #expect(FrameAncestors(FrameAncestors.bigCommerce.sources) == .bigCommerce)
  }

  @Test(arguments: [
    "https://a.example", "https://*.a.example:8443 'self'", "http://127.0.0.1:*", "'none'",
    "https://a.example:65535",
  ])
  func `origins are read`(_ text: String) {
    #expect(FrameAncestors(text)?.sources == text)
  }

  @Test(arguments: [
    "", " ", "*", "https:", "https://", "https://*", "https://*.", "a.example", "https://a/b",
    "https://a;script-src *", "https://a, https://b", "'none' https://a", "'unsafe-inline'",
    "https://a:0", "https://a:+1", "https://a:65536", "https://a:b", "https://a..b", "ftp://a",
    "https://a\nhttps://b", "https://a:1:2", "https://é",
  ])
  func `anything else is refused`(_ text: String) {
    #expect(FrameAncestors(text) == nil)
  }
}

@Suite struct `HTTP dates` {
  @Test(arguments: [
    ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
    ("Fri, 31 Dec 2100 23:59:59 GMT", 4_133_980_799),
    ("Sat, 21 Nov 2026 01:04:05 GMT", 1_795_223_045),
    ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
  ])
  func `a date is read`(_ text: String, _ seconds: Int64) {
    #expect(HTTPDate.read(text) == Timestamp(seconds: seconds))
  }

  @Test(arguments: [
    "", "0", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
    "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 32 Nov 1994 08:49:37 GMT",
    "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:37 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1969 08:49:37 GMT",
    "Sun, 06 Nov -994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, é6 Nov 1994 08:49:37 GM",
    "Sun, 06 Nov 1994 08-49-37 GMT",
  ])
  func `any other form is not`(_ text: String) {
    #expect(HTTPDate.read(text) == nil)
  }
}
