import Testing

@testable import LatchkeyCLI

@Suite struct `Tables` {
  @Test func `columns are as wide as their widest cell, and no line ends in spaces`() {
    var table = Table(["STORE", "STATE"])
    table.add(["abc", "active"])
    table.add(["a", ""])
    table.add(["longer1", "revoked"])
    #expect(
      table.text(color: false) == """
        STORE    STATE
        abc      active
        a        -
        longer1  revoked
        """)
  }

  @Test func `only the header is coloured, and the widths do not change`() {
    var table = Table(["A", "B"])
    table.add(["x", "y"])
    #expect(table.text(color: true) == "\u{1B}[1mA  B\u{1B}[0m\nx  y")
  }

  @Test func `a name with escape sequences cannot command the terminal`() {
    var table = Table(["NAME"])
    table.add(["\u{1B}[2Jgone\r\n\u{9B}x\u{202E}"])
    let text = table.text(color: false)
    #expect(text == "NAME\n\u{FFFD}[2Jgone\u{FFFD}\u{FFFD}\u{FFFD}x\u{FFFD}")
    #expect(!Table.facts([("name", "\u{1B}[31m")], color: false).contains("\u{1B}"))
  }

  @Test func `facts stand under each other`() {
    #expect(Table.facts([("id", "7"), ("name", "")], color: false) == "id    7\nname  -")
  }
}

@Suite struct `Confirmation of what cannot be undone` {
  @Test(arguments: [
    (true, true, true, Confirmation.dryRun), (true, false, false, .dryRun),
    (false, true, false, .proceed), (false, true, true, .proceed),
    (false, false, true, .ask), (false, false, false, .refuse),
  ])
  func `a dry run wins, then --yes, then a person; nobody there means no`(
    isDryRun: Bool, isSure: Bool, hasTerminal: Bool, expected: Confirmation
  ) {
    let decided = Confirmation.decide(
      isDryRun: isDryRun, isSure: isSure, hasTerminal: hasTerminal)
    #expect(decided == expected)
  }

  @Test(arguments: [
    ("y", true), ("YES ", true), ("n", false), ("", false), ("yesterday", false), (nil, false),
  ])
  func `only yes is yes`(answer: String?, expected: Bool) {
    #expect(Confirmation.isYes(answer) == expected)
  }
}
