import Linux
import Testing

@Suite struct `What the process uses` {
  @Test func `is what the kernel says, and changes with what the process does`() throws {
    let before = try ProcessUsage.read()
    var sum = 0
    for number in 0..<20_000_000 { sum &+= number &* number }
    let after = try ProcessUsage.read()
    #expect(sum != 1)
    #expect(after.cpuSeconds > before.cpuSeconds)
    #expect(after.residentBytes > 1 << 20 && after.virtualBytes > after.residentBytes)
    #expect(after.startedAt > 1_700_000_000 && after.startedAt == before.startedAt)
    #expect(after.descriptors >= 3 && after.descriptors <= Int(after.descriptorsAllowed))
  }
}
