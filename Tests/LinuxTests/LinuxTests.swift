import Glibc
import Linux
import TestSupport
import Testing

@Suite(.serialized) struct `Process hardening` {
  @Test func `leaves no way for memory to reach a file or a debugger`() {
    ProcessHardening.forbidCoreDumps()
    #expect(!ProcessHardening.state().coreDumpsPossible)
  }

  @Test func `raises the descriptor limit to what the system allows`() {
    ProcessHardening.raiseDescriptorLimit()
    let state = ProcessHardening.state()
    #expect(state.descriptors == state.descriptorsAllowed)
  }

  @Test func `makes a closed pipe an error of the write`() throws {
    ProcessHardening.ignoreBrokenPipes()
    var ends: [Int32] = [0, 0]
    try #require(unsafe pipe(&ends) == 0)
    close(ends[0])
    defer { close(ends[1]) }
    #expect(throws: StandardStream.Failure.closed) {
      try StandardStream(descriptor: ends[1]).write("nobody reads this")
    }
  }
}

@Suite struct `Standard streams` {
  @Test func `a full disk is told apart from a reader that left`() throws {
    let full = open("/dev/full", O_WRONLY)
    try #require(full >= 0)
    defer { close(full) }
    #expect(throws: StandardStream.Failure.refused(code: ENOSPC)) {
      try StandardStream(descriptor: full).write("x")
    }
  }

  @Test func `a pipe is no terminal and has no columns`() throws {
    var ends: [Int32] = [0, 0]
    try #require(unsafe pipe(&ends) == 0)
    defer { ends.forEach { close($0) } }
    let stream = StandardStream(descriptor: ends[1])
    #expect(!stream.isTerminal)
    #expect(stream.columns == nil)
  }

  @Test func `everything is written, also to a pipe that was made non-blocking`() async throws {
    var ends: [Int32] = [0, 0]
    try #require(unsafe pipe(&ends) == 0)
    let (reading, writing) = (ends[0], ends[1])
    try #require(fcntl(writing, F_SETFL, O_NONBLOCK) == 0)
    let sent = [UInt8](repeating: 7, count: 300_000)
    async let received: Int = {
      var total = 0
      var chunk = [UInt8](repeating: 0, count: 4096)
      while true {
        let count = unsafe read(reading, &chunk, chunk.count)
        guard count > 0 else { return total }
        total += count
      }
    }()
    try StandardStream(descriptor: writing).write(sent)
    close(writing)
    #expect(await received == sent.count)
    close(reading)
  }
}

@Suite struct `Small files` {
  @Test func `a private file is complete, durable and closed to others`() throws {
    let directory = try temporaryDirectory("files")
    _ = try Directory.make(directory + "/deep/er", mode: 0o700).get()
    let path = directory + "/deep/er/key"
    #expect(try SmallFile.createPrivate(path, Array("first".utf8)))
    let (content, ownership) = try SmallFile.readOwned(path)
    #expect(content == Array("first".utf8))
    #expect(ownership.userID == UserAccount.currentUserID)
    #expect(ownership.mode == 0o600)
    #expect(!ownership.isOpenToOthers)
  }

  @Test func `of many that make the same file one wins, and all read what it wrote`() async throws {
    let path = try temporaryDirectory("files") + "/race"
    let winners = try await withThrowingTaskGroup { group in
      for number in UInt8(0)..<16 {
        group.addTask { try SmallFile.createPrivate(path, [UInt8](repeating: number, count: 4096)) }
      }
      var winners = 0
      for try await won in group where won { winners += 1 }
      return winners
    }
    #expect(winners == 1)
    let content = try SmallFile.read(path)
    #expect(content.count == 4096)
    #expect(Set(content).count == 1)
  }

  @Test func `a file over the limit is refused`() throws {
    let path = try temporaryDirectory("files") + "/big"
    _ = try SmallFile.createPrivate(path, [UInt8](repeating: 1, count: 1001))
    #expect(throws: SystemError(call: "read", path: path, code: EFBIG)) {
      try SmallFile.read(path, atMost: 1000)
    }
    #expect(try SmallFile.read(path, atMost: 1001).count == 1001)
  }

  @Test func `an error says what was tried, where and why`() {
    #expect(
      SystemError(call: "open", path: "/nope", code: ENOENT).description
        == "open /nope: No such file or directory")
    #expect(throws: SystemError(call: "open", path: "/nope", code: ENOENT)) {
      try SmallFile.read("/nope")
    }
  }
}

@Suite struct `Process environment` {
  @Test func `has the variables of this process`() {
    #expect(ProcessEnvironment.variables()["PATH"]?.isEmpty == false)
  }
}
