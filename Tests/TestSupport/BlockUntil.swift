#if canImport(Glibc)
  import Glibc
#endif

/// A condition did not come true in time.
package struct NeverCame: Error {}

/// Looks again and again until the condition holds, for at most ten seconds; inside
/// ``blocking(_:)``.
package func blockUntil(_ condition: () throws -> Bool) throws {
  let clock = ContinuousClock()
  let end = clock.now + .seconds(10)
  while !(try condition()) {
    guard clock.now < end else { throw NeverCame() }
    usleep(2000)
  }
}
