package import Base
package import NIOCore

/// How much time and room one connection gets.
package struct GuardLimits: Sendable {
  /// From the first byte of a request to the end of its head.
  package var head: TimeAmount = .seconds(10)
  /// Of a body: the time without a byte, and the time that every body gets at least.
  package var body: TimeAmount = .seconds(10)
  /// Of a body, beyond the time that every body gets.
  package var bodyBytesPerSecond = 1024
  /// Of a reader of our answer: the time without a byte taken.
  package var write: TimeAmount = .seconds(30)
  /// Between two requests.
  package var idle: TimeAmount = .seconds(60)
  /// After a refusal: how long the rest of the request is read and thrown away, so that the answer arrives.
  package var linger: TimeAmount = .seconds(1)
  package var headBytes: ByteCount = .kibibytes(16)
  package var headFields = 100
  /// Open connections of one listener.
  package var connections = 16_000

  package init() {}
}
