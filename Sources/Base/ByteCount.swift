/// A size in bytes.
package struct ByteCount: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let bytes: Int

  package init(_ bytes: Int) {
    self.bytes = bytes
  }

  package static func kibibytes(_ count: Int) -> ByteCount { ByteCount(count * 1024) }
  package static func mebibytes(_ count: Int) -> ByteCount { ByteCount(count * 1024 * 1024) }

  package static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

  package var description: String { "\(bytes) bytes" }
}
