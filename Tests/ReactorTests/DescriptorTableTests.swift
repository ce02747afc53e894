import Testing

@testable import Reactor

@Suite struct `Values by descriptor` {
  @Test func `a value is found until it is taken away, whatever came between`() {
    var table = DescriptorTable<String>()
    #expect(table[0] == nil && table[7] == nil && table[-1] == nil && table.count == 0)
    table[7] = "seven"
    table[0] = "zero"
    #expect(table[7] == "seven" && table[0] == "zero" && table[6] == nil && table[8] == nil)
    #expect(table.count == 2)
    table[7] = "again"
    #expect(table[7] == "again" && table.count == 2)
    table[7] = nil
    table[100] = nil
    #expect(table[7] == nil && table[0] == "zero" && table.count == 1)
  }
}
