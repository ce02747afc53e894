import Base
import HTTPTypes
import Hummingbird

extension Console {
  /// The page that is asked for, again and again for as long as who asks may see it.
  ///
  /// It keeps nobody logged in: the cookie stays as it is.
  /// - Throws: what the page itself is refused with.
  func stream(_ request: WebRequest, _ cookie: ConsoleCookie) async throws(Problem) -> Response {
    guard try await page(request, cookie) != nil else { throw .noPage }
    return try live.stream(
      mayGoOn: {
        do throws(Problem) {
          guard case .known = try doors.visitor(request.headers, cookie) else { return false }
          return true
        } catch {
          return false
        }
      },
      make: {
        do throws(Problem) {
          return try await page(request, cookie)
        } catch {
          return nil
        }
      })
  }

  /// The page as it is now, for whom it is for now; `nil` when there is nobody, or no page.
  private func page(
    _ request: WebRequest, _ cookie: ConsoleCookie
  ) async throws(Problem) -> String? {
    guard case .known(let session, let caller) = try doors.visitor(request.headers, cookie) else {
      return nil
    }
    let frame = frame(request, session, caller)
    let answer = try await answer(request, .get, session, caller.caller, frame, cookie)
    guard case .page(let page) = answer else { return nil }
    return pages.html(page, frame)
  }
}
