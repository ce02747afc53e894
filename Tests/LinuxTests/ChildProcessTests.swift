import Linux
import Testing

@Suite struct `Child processes` {
  private func shell(_ script: String) -> ChildProcess {
    ChildProcess("/bin/sh", ["-c", script], environment: ["PATH": "/usr/bin:/bin", "A": "b c"])
  }

  @Test func `the exit code, both outputs and the input are passed`() async throws {
    let outcome = try await shell("cat; echo \"$A\"; echo error >&2; pwd; exit 3")
      .run(input: Array("in\n".utf8), timeLimit: .seconds(20))
    #expect(outcome.exitCode == 3)
    #expect(outcome.output == "in\nb c\nerror\n/\n")
    #expect(!outcome.succeeded)
  }

  @Test func `nothing but three descriptors is inherited`() async throws {
    let outcome = try await shell("ls /proc/self/fd | wc -l").run(timeLimit: .seconds(20))
    // The fourth is the listing of the directory itself.
    #expect(outcome.output.filter(\.isNumber) == "4")
  }

  @Test func `a program that takes too long is killed`() async throws {
    await #expect(throws: ChildProcess.Failure.killed) {
      try await shell("exec sleep 60").run(timeLimit: .milliseconds(100))
    }
  }

  @Test func `cancellation kills the program`() async throws {
    let child = shell("exec sleep 60")
    let task = Task { try await child.run(timeLimit: .seconds(60)) }
    task.cancel()
    let start = ContinuousClock.now
    await #expect(throws: ChildProcess.Failure.killed) { try await task.value }
    #expect(start.duration(to: .now) < .seconds(10))
  }

  @Test func `a grandchild that stays is not waited for`() async throws {
    let start = ContinuousClock.now
    let outcome = try await shell("sleep 5 & echo started").run(timeLimit: .seconds(30))
    #expect(outcome.output == "started\n")
    #expect(start.duration(to: .now) < .seconds(4))
  }

  @Test func `a program that ends by a signal has no exit code`() async throws {
    let outcome = try await shell("kill -9 $$").run(timeLimit: .seconds(20))
    #expect(outcome.exitCode == nil)
  }

  @Test func `a program that is not there is an error`() async throws {
    let child = ChildProcess("/nonexistent", [], environment: [:])
    await #expect(throws: ChildProcess.Failure.notStarted(code: 2)) {
      try await child.run(timeLimit: .seconds(5))
    }
  }
}
