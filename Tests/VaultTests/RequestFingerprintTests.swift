import Testing
import Vault

@Suite struct `Fingerprints of requests` {
  @Test func `every part, its place and the key count`() {
    let key = Array("key".utf8)
    let parts: [[[UInt8]]] = [
      [[1, 2], [3]], [[1], [2, 3]], [[1, 2, 3], []], [[], [1, 2, 3]], [[1, 2, 3]], [[3], [1, 2]],
    ]
    let found = Set(parts.map { RequestFingerprint(of: $0, under: key) })
    #expect(found.count == parts.count)
    #expect(
      RequestFingerprint(of: parts[0], under: key) == RequestFingerprint(of: parts[0], under: key))
    #expect(
      !found.contains(RequestFingerprint(of: parts[0], under: Array("other".utf8))),
      "without the caller's key nobody can try out what a body might be")
    #expect(found.allSatisfy { $0.bytes.count == 32 })
  }
}
