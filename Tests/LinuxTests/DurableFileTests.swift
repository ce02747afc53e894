import Glibc
import TestSupport
import Testing

@testable import Linux

@Suite struct `Durable file` {
  private let directory: String

  init() throws { directory = try temporaryDirectory("durable") }

  @Test func `a file is whole under its name, for its owner only, without a draft beside it`()
    throws
  {
    let content = Array("record".utf8)
    try DurableFile.create("a", in: directory, content)
    #expect(try SmallFile.read(directory + "/a", atMost: 6) == content)
    #expect(try Directory.names(in: directory) == ["a"])
    var facts = stat()
    #expect(stat(directory + "/a", &facts) == 0)
    #expect(facts.st_mode & 0o777 == 0o600)
  }

  @Test func `a longer file than expected is not read`() throws {
    try DurableFile.create("a", in: directory, [1, 2, 3])
    #expect(throws: SystemError(call: "read", path: directory + "/a", code: EFBIG)) {
      try SmallFile.read(directory + "/a", atMost: 2)
    }
  }

  @Test func `a draft of another writer is not touched`() throws {
    try DurableFile.create("a.partial", in: directory, [1])
    #expect(throws: SystemError(call: "open", path: directory + "/a.partial", code: EEXIST)) {
      try DurableFile.create("a", in: directory, [2])
    }
  }

  @Test func `a refusal of the file system is an error and leaves nothing`() throws {
    #expect(throws: SystemError.self) { try DurableFile.create("a", in: "/proc", [1]) }
    let draft = directory + "/missing/a.partial"
    #expect(throws: SystemError(call: "open", path: draft, code: ENOENT)) {
      try DurableFile.create("a", in: directory + "/missing", [1])
    }
    #expect(try Directory.names(in: directory).isEmpty)
  }

  @Test func `removing what is not there is no error`() throws {
    try DurableFile.remove("nothing", in: directory)
  }

  @Test func `a moved file is in the other directory`() throws {
    try DurableFile.makeDirectory(directory + "/other")
    try DurableFile.create("a", in: directory, [1])
    try DurableFile.move("a", from: directory, to: directory + "/other")
    #expect(try Directory.names(in: directory + "/other") == ["a"])
    #expect(try Directory.names(in: directory) == ["other"])
  }
}
