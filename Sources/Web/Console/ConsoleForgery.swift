import Base
import Fields
import HTTPTypes

/// Tells acts of our own pages from those that another site makes a browser send.
///
/// Two checks that fail for different reasons: where the browser says that the request comes from,
/// and a token that only our pages know.
enum ConsoleForgery {
  /// Whether the browser says that one of our pages sent this.
  ///
  /// `Sec-Fetch-Site` must be `same-origin` if it is there, `Origin` must name this host if it is
  /// there, and one of them must be: every browser sends one with a POST.
  static func isFromOurPage(_ headers: HTTPFields, authority: String?) -> Bool {
    let site = headers[values: .secFetchSite]
    let origins = headers[values: .origin]
    guard site.count + origins.count > 0 else { return false }
    guard site.allSatisfy({ $0 == "same-origin" }) else { return false }
    // A page of another site cannot set this field: it would have to ask us first, and we refuse.
    let hosts = Set(
      ([authority].compactMap { $0 } + headers[values: .forwardedHost]).map { $0.lowercased() })
    return origins.allSatisfy { origin in
      guard let scheme = ["https://", "http://"].first(where: origin.hasPrefix) else {
        return false
      }
      return hosts.contains(origin.dropFirst(scheme.count).lowercased())
    }
  }

  /// Whether the form repeats the session's token.
  static func hasToken(_ form: ConsoleForm, of session: ConsoleSession) -> Bool {
    guard let token = form[ConsoleForm.tokenField] else { return false }
    return constantTimeEqual(token.utf8, session.token.utf8)
  }

  static let refused = Problem(
    status: 403, code: "forged_act", title: "This did not come from a page of the console",
    detail: """
      Nothing was changed. Open the page again and repeat it there. Behind a proxy: it must pass Host, or the name in \
      X-Forwarded-Host.
      """)
}

extension HTTPField.Name {
  static let secFetchSite = known("Sec-Fetch-Site")
  static let forwardedHost = known("X-Forwarded-Host")
  static let forwardedProto = known("X-Forwarded-Proto")
}
