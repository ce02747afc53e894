import Base
import BigCommerce
import HTTPTypes
import TestSupport
import Testing

@testable import Upstream

/// A demand for products, unless another path is given.
func demand(
  _ caller: String, _ priority: CallPriority = .interactive, maxWait: Duration = .seconds(120),
  path: String = "/v3/catalog/products"
) -> QuotaDemand {
  QuotaDemand(
    caller: caller, family: EndpointFamilies.shared.family(method: .get, path: path[...]),
    priority: priority, maxWait: maxWait)
}

@Suite struct `Quota governor` {
  private static let seeds: [UInt64] = {
    var generator = SeededGenerator()
    return (0..<count(ordinary: 40, full: 1000)).map { _ in generator.next() }
  }()

  /// Everything at random: callers, families, losses, those who leave, strangers, limits.
  @Test(arguments: seeds)
  func `nobody is lost, overtaken or kept too long, whatever happens`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var world = QuotaWorld(
      quota: [1, 3, 20, 150, 450].randomElement(using: &generator) ?? 150,
      window: .milliseconds([500, 5000, 30_000].randomElement(using: &generator) ?? 30_000),
      seed: seed)
    world.lossPercent = Int.random(in: 0...10, using: &generator)
    world.leavesPercent = Int.random(in: 0...20, using: &generator)
    if Bool.random(using: &generator) { world.strangersEvery = 20...800 }
    if Bool.random(using: &generator) {
      world.platform.places = Int.random(in: 1...8, using: &generator)
    }
    if world.strangersEvery != nil { world.plan(.stranger, in: .zero) }
    let paths = [
      "/v3/catalog/products", "/v3/catalog/trees/1/categories", "/v3/customers", "/v2/orders",
    ]
    for _ in 0..<500 {
      let call = demand(
        "k\(Int.random(in: 1...4, using: &generator))",
        Bool.random(using: &generator) ? .interactive : .bulk,
        maxWait: .seconds(Int.random(in: 0...20, using: &generator)),
        path: paths.randomElement(using: &generator) ?? paths[0])
      let moment = Duration.milliseconds(Int.random(in: 0...60_000, using: &generator))
      world.plan(.arrives(call, loop: false), in: moment)
    }
    world.run(for: .seconds(200))
    #expect(world.violations.isEmpty, "seed \(seed): \(world.violations.prefix(3))")
    #expect(world.waiting.isEmpty && world.running == 0, "seed \(seed)")
    let ended = world.grants.values.reduce(0, +) + world.refusals.values.reduce(0, +)
    #expect(ended >= 300, "seed \(seed)")
  }

  @Test(arguments: seeds.prefix(10), [10, 150, 450])
  func `alone, no call is refused, and none of the quota is left`(seed: UInt64, quota: Int) {
    var world = QuotaWorld(quota: quota, window: .seconds(30), seed: seed)
    for _ in 0..<30 {
      world.plan(.arrives(demand("a"), loop: true), in: world.milliseconds(0...100))
    }
    world.run(for: .seconds(301))
    #expect(world.violations.isEmpty, "seed \(seed): \(world.violations.prefix(3))")
    let windows = world.platform.own.dropFirst().dropLast()
    #expect(windows.allSatisfy { $0.refused <= 1 }, "\(windows.map(\.refused))")
    let used = windows.map(\.taken).reduce(0, +)
    #expect(used * 100 >= windows.count * quota * 95, "seed \(seed): \(windows.map(\.taken))")
  }

  @Test(arguments: seeds.prefix(10), [5...40, 50...200, 200...600])
  func `beside strangers, nearly all that they leave is used and next to none refused`(
    seed: UInt64, way: ClosedRange<Int>
  ) {
    var world = QuotaWorld(quota: 150, window: .seconds(30), seed: seed)
    world.way = way
    world.strangersEvery = 1...800
    world.plan(.stranger, in: .zero)
    for _ in 0..<20 {
      world.plan(.arrives(demand("a"), loop: true), in: world.milliseconds(0...100))
    }
    world.run(for: .seconds(30 * 21))
    #expect(world.violations.isEmpty, "seed \(seed): \(world.violations.prefix(3))")
    let windows = world.platform.own.dropFirst(3).dropLast()
    let taken = windows.map(\.taken).reduce(0, +)
    let refused = windows.map(\.refused).reduce(0, +)
    let left = windows.map { 150 - $0.strangers }.reduce(0, +)
    #expect(refused * 100 <= taken, "seed \(seed): \(refused) of \(taken) refused")
    #expect(taken * 100 >= left * 95, "seed \(seed): \(taken) of \(left) used")
  }

  @Test(arguments: seeds.prefix(10), [1, 5])
  func `two callers share evenly, however many calls each makes`(seed: UInt64, fewer: Int) {
    var world = QuotaWorld(quota: 150, window: .seconds(30), seed: seed)
    for _ in 0..<20 {
      world.plan(.arrives(demand("a"), loop: true), in: world.milliseconds(0...50))
    }
    for _ in 0..<(20 / fewer) {
      world.plan(.arrives(demand("b"), loop: true), in: world.milliseconds(0...50))
    }
    world.run(for: .seconds(301))
    let (a, b) = (Double(world.grants["a"] ?? 0), Double(world.grants["b"] ?? 0))
    #expect(abs(a - b) <= 0.1 * max(a, b), "seed \(seed): \(a) and \(b)")
  }

  @Test(arguments: seeds.prefix(10))
  func `bulk never takes the last fifth, and interactive calls hardly wait behind it`(seed: UInt64)
  {
    var world = QuotaWorld(quota: 150, window: .seconds(30), seed: seed)
    for _ in 0..<50 {
      world.plan(.arrives(demand("bulk", .bulk), loop: true), in: world.milliseconds(0...50))
    }
    for second in 1...240 {
      world.plan(.arrives(demand("person"), loop: false), in: .seconds(second))
    }
    world.run(for: .seconds(300))
    #expect(world.violations.isEmpty, "seed \(seed): \(world.violations.prefix(3))")
    #expect(world.platform.lowestAfterBulk >= 30 - 1, "\(world.platform.lowestAfterBulk)")
    let waits = (world.waits["person"] ?? []).sorted()
    #expect(waits.count == 240, "seed \(seed)")
    #expect(waits[waits.count * 99 / 100] < .milliseconds(250), "seed \(seed): \(waits.suffix(5))")
    let used = world.platform.own.dropFirst().dropLast().map(\.taken)
    #expect(used.reduce(0, +) * 100 >= used.count * 120 * 95, "seed \(seed): \(used)")
  }

  @Test(arguments: seeds.prefix(10))
  func `three replicas that do not know of each other share a window`(seed: UInt64) {
    var world = QuotaWorld(quota: 150, window: .seconds(30), replicas: 3, seed: seed)
    for caller in 0..<45 {
      world.plan(
        .arrives(demand("\(caller % 3) a"), loop: true), in: world.milliseconds(0...100))
    }
    world.run(for: .seconds(601))
    #expect(world.violations.isEmpty, "seed \(seed): \(world.violations.prefix(3))")
    let windows = world.platform.own.dropFirst(3).dropLast()
    #expect(windows.allSatisfy { $0.refused <= 3 }, "seed \(seed): \(windows.map(\.refused))")
    let taken = windows.map(\.taken).reduce(0, +)
    #expect(taken * 100 >= windows.count * 150 * 95, "seed \(seed): \(windows.map(\.taken))")
    let shares = (0..<3).map { world.grants["\($0) a"] ?? 0 }
    #expect(shares.allSatisfy { $0 * 4 >= taken / 3 * 3 }, "seed \(seed): \(shares)")
  }
}
