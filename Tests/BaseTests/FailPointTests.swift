#if DEBUG
  import Testing

  @testable import Base

  @Suite struct `Fail point` {
    @Test func `it is due at its name, the n-th time, once`() throws {
      let point = try #require(ArmedFailPoint("install.after_exchange:2"))
      #expect(!point.isDue(at: "install.after_commit"))
      #expect(!point.isDue(at: "install.after_exchange"))
      #expect(point.isDue(at: "install.after_exchange"))
      #expect(!point.isDue(at: "install.after_exchange"))
    }

    @Test(arguments: ["", ":", "a:", "a:0", "a:-1", "a:b", "a:1:2"])
    func `another form arms nothing`(_ text: String) {
      #expect(ArmedFailPoint(text) == nil)
    }

    @Test func `without a count it is the first time`() throws {
      #expect(try #require(ArmedFailPoint("a")).isDue(at: "a"))
    }
  }
#endif
