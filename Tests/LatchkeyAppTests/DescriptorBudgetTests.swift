import Testing

@testable import LatchkeyApp

@Suite struct `The budget of descriptors` {
  @Test func `20 000 descriptors hold 16 000 connections of one listener beside everything else`() {
    let budget = DescriptorBudget(
      descriptors: 20_000, calls: 2000, databaseConnections: 8, loops: 4)
    #expect(budget.calls == 2000)
    #expect(budget.connectionsOfListener == 16_000)
    #expect(budget.sureOfListener == 1024)
  }

  @Test(arguments: [256, 300, 1024, 4096, 20_000, 65_536, 1_048_576])
  func `parts never add up to more than there is, and none is without`(_ descriptors: Int) {
    for calls in [10, 2000, 100_000] {
      for loops in [1, 4, 8] {
        let budget = DescriptorBudget(
          descriptors: descriptors, calls: calls, databaseConnections: 8, loops: loops)
        let taken = budget.upstream + budget.connections + 2 * budget.refusedOfListener
        #expect(taken <= descriptors - 64)
        #expect(budget.calls <= budget.upstream && budget.calls <= calls && budget.calls > 0)
        #expect(budget.connectionsOfListener + budget.sureOfListener <= budget.connections)
        #expect(budget.sureOfListener > 0 && budget.connectionsOfListener > 0)
      }
    }
  }
}
