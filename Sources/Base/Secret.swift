/// A value that must not appear in a log, an error, a dump of a structure or a test's output.
///
/// Everything that prints or reflects it shows `<redacted>`; the only way to the value is
/// ``expose()``, so that each place that reads a secret can be found by that name.
package struct Secret<Value: Sendable>: Sendable {
  private let value: Value

  package init(_ value: Value) {
    self.value = value
  }

  /// The secret itself.
  ///
  /// Call it where the value is used, not where it is passed on.
  package func expose() -> Value {
    value
  }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "<redacted>" }
  package var debugDescription: String { "<redacted>" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

extension Secret where Value == String {
  /// Compares in constant time for secrets of the same length.
  package func matches(_ other: String) -> Bool {
    constantTimeEqual(value.utf8, other.utf8)
  }
}

extension Secret where Value == [UInt8] {
  /// Compares in constant time for secrets of the same length.
  package func matches(_ other: [UInt8]) -> Bool {
    constantTimeEqual(value, other)
  }
}
