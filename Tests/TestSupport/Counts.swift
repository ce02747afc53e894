#if canImport(Glibc)
  import Glibc
#endif

/// Whether this run does the full counts (`./scripts/test --full`) or the reduced ones.
package let isFullRun =
  unsafe getenv("LATCHKEY_TEST_FULL").map { unsafe String(cString: $0) } == "1"

/// The count for this kind of run.
package func count(ordinary: Int, full: Int) -> Int {
  isFullRun ? full : ordinary
}
