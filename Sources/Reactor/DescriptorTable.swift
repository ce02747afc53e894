/// Values by file descriptor.
///
/// The kernel gives out the smallest number that is free, so the table stays small, and a value is
/// found without hashing.
package struct DescriptorTable<Value> {
  private var slots: [Value?] = []
  /// How many values there are.
  package private(set) var count = 0

  package init() {}

  package subscript(fd: Int32) -> Value? {
    get { slots.indices.contains(Int(fd)) ? slots[Int(fd)] : nil }
    set {
      precondition(fd >= 0, "not a descriptor")
      if newValue != nil { reserve(Int(fd) + 1) }
      guard Int(fd) < slots.count else { return }
      count += (newValue == nil ? 0 : 1) - (slots[Int(fd)] == nil ? 0 : 1)
      slots[Int(fd)] = newValue
    }
  }

  private mutating func reserve(_ size: Int) {
    guard slots.count < size else { return }
    slots.append(contentsOf: repeatElement(nil, count: size - slots.count))
  }
}
