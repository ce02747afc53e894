import Base
import Fields
import HTTPTypes
import TestSupport
import Testing

@Suite struct `A section of fields` {
  private func section(_ lines: [(String, String)]) -> FieldSection {
    var section = FieldSection()
    for (name, value) in lines { section.append(name.utf8.span, value.utf8.span) }
    return section
  }

  private func lines(_ section: FieldSection) -> [String] {
    section.pairs.map { "\($0.name): \($0.value)" }
  }

  @Test func `lines keep their order, their spelling and their bytes`() {
    let kept = section([
      ("ACCEPT", "a"), ("x-Own", ""), ("Accept", "b, ü"), ("content-length", "7"),
    ])
    #expect(lines(kept) == ["ACCEPT: a", "x-Own: ", "Accept: b, ü", "content-length: 7"])
    #expect(kept.lines.map(\.name) == [.accept, .other, .accept, .contentLength])
    #expect(kept.lines.map { Array(kept.bytes[$0.range]) } == lines(kept).map { Array($0.utf8) })
  }

  @Test func `what is no token is no name`() {
    var kept = FieldSection()
    for name in ["", " Accept", "Accept ", "a:b", "a\u{0}", "ä", "a\tb", "a\r\nb"] {
      #expect(kept.append(name.utf8.span, "1".utf8.span) == nil, "\(name)")
    }
    let long = String(repeating: "n", count: 65_536)
    #expect(kept.append(long.utf8.span, "1".utf8.span) == nil)
    #expect(kept.count == 0 && kept.bytes.isEmpty)
  }

  @Test func `values that are text are put right`() {
    var kept = FieldSection()
    kept.append(.userAgent, " a\r\nb\u{0}\tc\t ")
    kept.append(.accept, "ü")
    kept.append(.via, "\n")
    #expect(lines(kept) == ["User-Agent: a  b \tc", "Accept: ü", "Via: "])
  }

  @Test func `values are found by name`() {
    var kept = section([("a", "1"), ("accept", "2"), ("ACCEPT", "3"), ("Via", "4")])
    #expect(kept[.accept] == "2" && kept[.age] == nil)
    #expect(kept.only(.accept) == nil && kept.only(.via) == "4" && kept.only(.age) == nil)
    #expect(kept.all(.accept) == ["2", "3"] && kept.all(.age) == [])
    #expect(kept.has(.via) && !kept.has(.age))
    #expect(kept.first(.accept, is: "2") && !kept.first(.accept, is: "3"))
    #expect(!kept.first(.via, is: "44") && !kept.first(.age, is: ""))
    kept[.accept] = "5"
    #expect(lines(kept) == ["a: 1", "Accept: 5", "Via: 4"])
    kept[.accept] = nil
    #expect(lines(kept) == ["a: 1", "Via: 4"])
  }

  @Test func `beginnings of names are compared in any case`() throws {
    let kept = section([("X-FORWARDED-For_by", "1"), ("x-f", "2")])
    let (long, short) = (try #require(kept.lines.first), try #require(kept.lines.last))
    #expect(kept.hasName(long, beginningWith: "x-forwarded-"))
    #expect(!kept.hasName(short, beginningWith: "x-forwarded-"))
    #expect(!kept.hasName(long, beginningWith: "x-forwarded-for-"))
    #expect(kept.hasName(long, containing: UInt8(ascii: "_")))
    #expect(!kept.hasName(short, containing: UInt8(ascii: "_")))
  }

  @Test(arguments: 0..<32) func `lines pass from one section to another`(set: Int) throws {
    let all = [("a", "1"), ("Accept", "text/html"), ("b", ""), ("Via", "3"), ("d", "4")]
    let from = section(all)
    var to = section([("c", "0")])
    var number = -1
    to.append(linesOf: from) { _ in
      number += 1
      return set >> number & 1 != 0
    }
    let passed = all.indices.filter { set >> $0 & 1 != 0 }.map { "\(all[$0].0): \(all[$0].1)" }
    #expect(lines(to) == ["c: 0"] + passed)
    #expect(to.has(.accept) == (set & 2 != 0))
    #expect(String(decoding: to.bytes, as: UTF8.self) == lines(to).map { $0 + "\r\n" }.joined())
  }

  @Test func `lines that stand one behind the other go out together`() {
    var kept = section([("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")])
    var pieces: [String] = []
    kept.forEachPiece { _ in
      true
    } _: {
      pieces.append(String(decoding: $0, as: UTF8.self))
    }
    #expect(pieces == ["a: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n"])
    pieces = []
    kept.forEachPiece {
      kept.name(of: $0) != "b"
    } _: {
      pieces.append(String(decoding: $0, as: UTF8.self))
    }
    #expect(pieces == ["a: 1\r\n", "c: 3\r\nd: 4\r\n"])
    // A field that takes another's place stands elsewhere.
    kept[.via] = "5"
    kept[.accept] = "6"
    kept[.via] = "7"
    pieces = []
    kept.forEachPiece { _ in
      true
    } _: {
      pieces.append(String(decoding: $0, as: UTF8.self))
    }
    #expect(pieces.joined().hasSuffix("d: 4\r\nVia: 7\r\nAccept: 6\r\n"))
  }

  @Test func `sections are equal when their lines are`() {
    var left = section([("a", "1"), ("b", "2")])
    var right = section([("b", "2"), ("a", "1")])
    #expect(left != right)
    right = section([("Via", "9"), ("a", "1"), ("b", "2")])
    right[.via] = nil
    #expect(left == right && left.bytes != right.bytes)
    left.append(.via, "")
    #expect(left != right)
    #expect(section([("a", "b: c")]) != section([("a: b", "c")]))
    #expect(section([("a", "")]) != section([("A", "")]))
  }

  @Test func `what is printed of them is their names`() {
    let kept = section([("X-Auth-Token", "secret"), ("a", "secret")])
    #expect("\(kept)" == "X-Auth-Token, a")
    var dumped = ""
    dump(kept, to: &dumped)
    let bytes = Array("secret".utf8).map { "\($0)" }
    #expect(!dumped.contains("secret") && !bytes.allSatisfy { dumped.contains($0) })
  }

  @Test func `they are those of HTTPTypes, there and back`() throws {
    var random = SplitMix64(seed: 7)
    for _ in 0..<200 {
      var fields = HTTPFields()
      for _ in 0..<Int.random(in: 0...20, using: &random) {
        let known = FieldName.allCases.randomElement(using: &random)?.spelling ?? ""
        let spelling = [known, known.lowercased(), known.uppercased(), "X-Own-\(fields.count)"]
          .filter { !$0.isEmpty }.randomElement(using: &random)
        let name = try #require(spelling.flatMap { HTTPField.Name($0) })
        fields.append(HTTPField(name: name, value: "v\(random.next() % 1000) ü"))
      }
      let section = FieldSection(fields)
      #expect(section.httpFields == fields)
      #expect(section.httpFields.map(\.name.rawName) == fields.map(\.name.rawName))
      for name in FieldName.allCases where name != .other {
        let known = try #require(HTTPField.Name(name.spelling))
        #expect(section[name] == fields.firstValue(of: known))
        #expect(section.only(name) == fields.onlyValue(of: known))
        #expect(section.all(name) == fields[values: known])
        #expect(section.has(name) == fields.has(known))
      }
    }
  }
}

@Suite struct `Names of fields` {
  @Test func `each is known in any case, and nothing like it is`() {
    for name in FieldName.allCases where name != .other {
      let spelling = name.spelling
      for text in [spelling, spelling.lowercased(), spelling.uppercased()] {
        #expect(FieldName.named(text.utf8.span) == name, "\(text)")
        #expect(FieldName.named(text.dropLast().utf8.span) != name)
        #expect(FieldName.named((text + "x").utf8.span) == .other)
        #expect(
          FieldName.named(text.replacing("-", with: "_").utf8.span) != name || !text.contains("-"))
      }
    }
    #expect(FieldName.named("".utf8.span) == .other)
  }

  @Test func `a byte that only looks like a capital letter is none`() {
    // `@` and `[` are 0x20 below "`" and `{`, as letters are below theirs.
    #expect(FieldName.named("X-R\u{1}quest-Id".utf8.span) == .other)
    #expect(FieldName.named("Via".utf8.span) == .via)
    #expect(FieldName.named("Vi\u{41}".utf8.span) == .via)
    #expect(FieldName.named("\rate".utf8.span) == .other)
  }

  @Test func `sets hold what was put in`() {
    var set: FieldNameSet = [.accept, .xssProtection]
    for name in FieldName.allCases {
      #expect(set.contains(name) == (name == .accept || name == .xssProtection))
    }
    set.insert(.via)
    #expect(set.contains(.via))
    let both = set.union([.age])
    #expect(both.contains(.age) && both.contains(.xssProtection) && !set.contains(.age))
    #expect(FieldNameSet(FieldName.allCases).contains(.other))
    #expect(FieldName.allCases.count <= 128)
  }
}
