import Base
import Fields
import HTTPTypes
import NIOCore

extension Problem {
  static let sessionEnded = Problem(
    status: 401, code: "session_ended", title: "You are not logged in",
    detail: "Nothing was changed. Log in and begin again.")

  static let noPage = Problem(
    status: 404, code: "not_found", title: "There is no such page",
    detail: "The address leads to nothing. The navigation leads to what there is.")

  static let nothingToSee = Problem(
    status: 403, code: "grant_missing", title: "This key opens no page",
    detail: "It has none of the abilities that the console's pages need.")

  static let sealing = Problem(
    status: 500, code: "sealing_failed", title: "The session could not be kept",
    detail: "The keyring did not seal it. The log has the request ID.")
}

extension WebRequest {
  /// The most that a form may hold.
  private static let formLimit = ByteCount.kibibytes(256)

  /// The form in the body.
  /// - Throws: 415 for another kind of body, 413 for one that is too large, 400 for a broken one.
  func form() async throws(Problem) -> ConsoleForm {
    let type = headers.firstValue(of: .contentType)?.split(separator: ";").first ?? ""
    guard type.lowercased() == "application/x-www-form-urlencoded" else {
      throw Problem(
        status: 415, code: "bad_form", title: "Not a form",
        detail: "Acts are sent as application/x-www-form-urlencoded.")
    }
    let bytes: [UInt8]
    do throws(RequestBodyError) {
      bytes = Array(try await body.collect(upTo: Self.formLimit).readableBytesView)
    } catch {
      switch error {
      case .tooLarge:
        throw Problem(
          status: 413, code: "body_too_large", title: "Too much at once",
          detail: "The form has more than \(Self.formLimit.bytes) bytes. Nothing was changed.")
      case .cut: throw .badRequest("The form did not arrive whole. Nothing was changed.")
      }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .badRequest("The form is not UTF-8. Nothing was changed.")
    }
    return try ConsoleForm(encoded: text)
  }
}
