import Base
import NIOHTTP1

/// Why the control API did nothing.
enum ControlError: Error, Equatable {
  /// The order is incomplete or wrong; the text says what.
  case invalid(String)
  /// There is no such thing; the text names it.
  case notFound(String)

  var response: SandboxResponse {
    switch self {
    case .invalid(let text): .json(["error": .string(text)], status: .badRequest)
    case .notFound(let text): .json(["error": .string("not found: " + text)], status: .notFound)
    }
  }
}
