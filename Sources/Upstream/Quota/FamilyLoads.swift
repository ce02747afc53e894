import BigCommerce

/// How many calls of a store are in flight, and how many may be: in all and by family of endpoints.
///
/// Limits start from what the platform documents or from a cautious guess, halve when it refuses,
/// and grow by one for each full round of answers.
struct FamilyLoads: Sendable {
  /// A limit that adapts.
  private struct Limit {
    var value: Double
    let most: Double

    var whole: Int { max(1, Int(value)) }

    mutating func halve() { value = max(1, value / 2) }

    mutating func grow(inFlight: Int) {
      if Double(inFlight + 1) * 2 >= value { value = min(most, value + 1 / value) }
    }
  }

  private struct Load {
    let family: EndpointFamily.ID
    var inFlight = 0
    var waiting = 0
    let start: Double
    var limit: Limit

    init(_ family: EndpointFamily) {
      self.family = family.id
      start = family.documentedLimit.map { Double($0) } ?? (family.isWrite ? 4 : 16)
      limit = Limit(
        value: start,
        most: family.documentedLimit.map { Double($0) } ?? (family.isWrite ? 32 : 128))
    }

    var isAsAtFirst: Bool { inFlight == 0 && waiting == 0 && limit.value == start }
  }

  /// Only families that are in use or whose limit has changed.
  private var loads: [Load] = []
  private var store = Limit(value: 24, most: 160)
  private(set) var inFlight = 0
  private var bulkInFlight = 0

  /// No store ever has more calls in flight.
  var mostAllowed: Int { Int(store.most) }

  /// How many calls the store takes at a time, as far as is known.
  var limit: Int { store.whole }

  func inFlight(of family: EndpointFamily.ID) -> Int { find(family)?.inFlight ?? 0 }
  func waiting(of family: EndpointFamily.ID) -> Int { find(family)?.waiting ?? 0 }

  func limit(of family: EndpointFamily) -> Int {
    (find(family.id) ?? Load(family)).limit.whole
  }

  /// Whether the store as a whole takes one more; bulk leaves a quarter of the places.
  func isFree(for priority: CallPriority) -> Bool {
    switch priority {
    case .interactive: inFlight < store.whole
    case .bulk: inFlight < store.whole && bulkInFlight < max(1, store.whole * 3 / 4)
    }
  }

  /// Whether the family takes one more.
  func isFree(_ family: EndpointFamily.ID) -> Bool {
    guard let load = find(family) else { return true }
    return load.inFlight < load.limit.whole
  }

  mutating func begin(_ family: EndpointFamily, _ priority: CallPriority) {
    inFlight += 1
    if priority == .bulk { bulkInFlight += 1 }
    change(family) { $0.inFlight += 1 }
  }

  mutating func end(_ family: EndpointFamily.ID, _ priority: CallPriority) {
    inFlight -= 1
    if priority == .bulk { bulkInFlight -= 1 }
    change(family) { $0.inFlight -= 1 }
  }

  mutating func noteWaiting(_ family: EndpointFamily, by change: Int) {
    self.change(family) { $0.waiting += change }
  }

  /// The platform has refused a call.
  mutating func shrink(_ family: EndpointFamily.ID) {
    store.halve()
    change(family) { $0.limit.halve() }
  }

  /// The platform has taken a call, which is not counted any more.
  mutating func grow(_ family: EndpointFamily.ID) {
    store.grow(inFlight: inFlight)
    change(family) { $0.limit.grow(inFlight: $0.inFlight) }
  }

  private func find(_ family: EndpointFamily.ID) -> Load? {
    loads.first { $0.family == family }
  }

  private mutating func change(_ family: EndpointFamily, _ body: (inout Load) -> Void) {
    if !loads.contains(where: { $0.family == family.id }) { loads.append(Load(family)) }
    change(family.id, body)
  }

  private mutating func change(_ family: EndpointFamily.ID, _ body: (inout Load) -> Void) {
    guard let index = loads.firstIndex(where: { $0.family == family }) else { return }
    body(&loads[index])
    if loads[index].isAsAtFirst { loads.swapRemove(at: index) }
  }
}

extension Array {
  /// Removes an element and puts the last in its place.
  fileprivate mutating func swapRemove(at index: Int) {
    swapAt(index, count - 1)
    removeLast()
  }
}
