import Base
import NIOCore
import NIOHTTP1

/// Which of the two REST APIs a call is for; they wrap answers and errors differently.
enum APIVersion: String, Sendable {
  case v2
  case v3
}

/// A refusal in BigCommerce's words.
struct APIFailure: Error, Sendable {
  let status: HTTPResponseStatus
  let title: String
  /// Field to message; V3 calls it `errors`, V2 `details`.
  var errors: [JSONValue.Member] = []
  /// Whether V2 paths get the V3 body as well, as for what is refused before the API.
  var isAlwaysV3 = false

  static let statusCodePage =
    "https://developer.bigcommerce.com/api-docs/getting-started/api-status-codes"

  static let badToken = APIFailure(
    status: .unauthorized,
    title: "The V3 Auth client ID or token in the request are not a valid combination for this "
      + "store.", isAlwaysV3: true)
  static let missingScope = APIFailure(
    status: .forbidden, title: "You don't have a required scope to access the endpoint",
    isAlwaysV3: true)
  static let tooManyRequests = APIFailure(
    status: .tooManyRequests, title: "Too many requests", isAlwaysV3: true)
  static let unavailable = APIFailure(
    status: .serviceUnavailable, title: "The store is unavailable.", isAlwaysV3: true)
  static let noRoute = APIFailure(
    status: .notFound, title: "The requested resource was not found.")
  static let methodNotAllowed = APIFailure(
    status: .methodNotAllowed, title: "The requested method is not allowed on this resource.")
  static let methodNotImplemented = APIFailure(
    status: .notImplemented, title: "The request method is not supported.", isAlwaysV3: true)
  static let missingMediaType = APIFailure(
    status: .badRequest, title: "The Content-Type header is missing.")
  static let malformedJSON = APIFailure(
    status: .badRequest, title: "The request body is not valid JSON.")
  static let full = APIFailure(
    status: .init(statusCode: 507), title: "The store has reached a limit of its plan.")

  static func unsupportedMediaType(_ type: String) -> APIFailure {
    APIFailure(
      status: .unsupportedMediaType, title: "Content type \(type) is not supported.")
  }

  static func notFound(_ title: String) -> APIFailure {
    APIFailure(status: .notFound, title: title)
  }

  static func conflict(_ title: String, _ errors: [JSONValue.Member] = []) -> APIFailure {
    APIFailure(status: .conflict, title: title, errors: errors)
  }

  /// Fields that are missing or wrong, as `error.path.missing.` and the like.
  static func invalid(_ errors: [JSONValue.Member]) -> APIFailure {
    APIFailure(
      status: .unprocessableEntity, title: "JSON data is missing or invalid", errors: errors)
  }

  static func invalid(_ field: String, _ message: String) -> APIFailure {
    invalid([.init(field, .string(message))])
  }

  static func tooManyItems(_ limit: Int) -> APIFailure {
    APIFailure(
      status: .payloadTooLarge,
      title: "The request payload is too large. The maximum items allowed in the array is "
        + "\(limit).")
  }

  func response(version: APIVersion) -> SandboxResponse {
    let code = JSONValue.integer(Int(status.code))
    if version == .v2, !isAlwaysV3 {
      var members: [JSONValue.Member] = [.init("status", code), .init("message", .string(title))]
      if !errors.isEmpty { members.append(.init("details", .object(errors))) }
      return .json(.array([.object(members)]), status: status)
    }
    return .json(
      [
        "status": code, "title": .string(title), "type": .string(APIFailure.statusCodePage),
        "errors": .object(errors),
      ], status: status)
  }
}
