import Testing

@testable import Web

@Suite struct `Comma-separated values` {
  @Test(arguments: [
    ("plain", "plain"), ("", ""), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("a\nb", "\"a\nb\""),
    ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("\t=1", "'\t=1"),
    ("\r=1", "\"'\r=1\""), ("=\"a\"", "\"'=\"\"a\"\"\""), ("1=1", "1=1"),
    ("=\u{301}1", "'=\u{301}1"),
  ])
  func `are quoted, and never formulas`(_ text: String, _ cell: String) {
    #expect(CSV.cell(text) == cell)
  }

  @Test func `come in lines that end with CR LF`() {
    #expect(CSV.row(["a", "b,c"]) == "a,\"b,c\"\r\n")
  }
}
