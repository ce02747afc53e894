import Base
import HTTPTypes
import Hummingbird
import Mustache

/// What surrounds a page: who looks at it, and where else they may go.
struct ConsoleFrame: Sendable {
  let session: ConsoleSession
  let callerName: String
  /// Those that the caller may see.
  let sections: [ConsoleSection]
  let path: String
  let requestID: RequestID
}

/// Turns pages into answers, from the templates that the program carries.
struct ConsolePages: Sendable {
  /// Nothing but our own stylesheet and script; no inline style, no inline script, no frame.
  static let policy =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    + "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

  private let library: MustacheLibrary
  private let assets: ConsoleAssets

  init(assets: ConsoleAssets) throws {
    self.assets = assets
    PageEscaping.register()
    var templates: [String: MustacheTemplate] = [:]
    for (name, bytes) in Self.sources {
      // The content type goes first, so that no template can forget it.
      templates[name] = try MustacheTemplate(
        string: "{{% CONTENT_TYPE:LATCHKEY-HTML}}" + String(decoding: bytes, as: UTF8.self))
    }
    library = MustacheLibrary(templates: templates)
  }

  private static var sources: [(String, [UInt8])] {
    [
      ("audit", PackageResources.audit_mustache),
      ("chart", PackageResources.chart_mustache),
      ("deliveries", PackageResources.deliveries_mustache),
      ("delivery", PackageResources.delivery_mustache),
      ("event", PackageResources.event_mustache),
      ("events", PackageResources.events_mustache),
      ("fleet", PackageResources.fleet_mustache),
      ("layout", PackageResources.layout_mustache),
      ("login", PackageResources.login_mustache),
      ("callers", PackageResources.callers_mustache),
      ("caller", PackageResources.caller_mustache),
      ("caller-new", PackageResources.caller_new_mustache),
      ("caller-secret", PackageResources.caller_secret_mustache),
      ("confirm", PackageResources.confirm_mustache),
      ("progress", PackageResources.progress_mustache),
      ("problem", PackageResources.problem_mustache),
      ("share", PackageResources.share_mustache),
      ("store", PackageResources.store_mustache),
      ("store-link", PackageResources.store_link_mustache),
      ("stores", PackageResources.stores_mustache),
      ("subscription", PackageResources.subscription_mustache),
      ("subscriptions", PackageResources.subscriptions_mustache),
      ("try", PackageResources.try_mustache),
    ]
  }

  /// A page of somebody who is logged in.
  func response(_ page: ConsolePage, _ frame: ConsoleFrame) -> Response {
    render(page.template, values(of: page, frame), page.status)
  }

  /// The same as text.
  func html(_ page: ConsolePage, _ frame: ConsoleFrame) -> String {
    library.render(values(of: page, frame) as [String: Any], withTemplate: page.template) ?? ""
  }

  private func values(of page: ConsolePage, _ frame: ConsoleFrame) -> PageValues {
    var values = common(page.title, frame.requestID)
    values["main"] = true
    values["navigation"] = frame.sections.map { section in
      let path = "/console/\(section.path)"
      let isHere = frame.path == path || frame.path.hasPrefix(path + "/")
      return ["href": path, "label": section.title, "isHere": isHere] as PageValues
    }
    values["who"] = frame.session.user ?? frame.callerName
    values["viaProxy"] = frame.session.user != nil
    values["callerName"] = frame.callerName
    values["keyID"] = frame.session.keyID
    values["csrf"] = frame.session.token
    if let notice = frame.session.notice {
      values["notice"] =
        [
          "noticeText": notice.text, "isBad": notice.tone == .bad, "isGood": notice.tone == .good,
        ] as PageValues
    }
    if let seconds = page.refresh { values["refresh"] = seconds }
    return values.merging(page.values) { _, page in page }
  }

  /// A refusal or failure as a page, within the frame if somebody is logged in.
  func problem(_ problem: Problem, _ requestID: RequestID, _ frame: ConsoleFrame?) -> Response {
    let values: PageValues = [
      "detail": problem.detail, "status": problem.status, "code": problem.code,
      "mayLogIn": problem.status == 401, "heading": problem.title,
    ]
    var response: Response
    if let frame {
      response = self.response(
        ConsolePage("problem", title: problem.title, status: problem.status, values), frame)
    } else {
      response = render(
        "problem", common(problem.title, requestID).merging(values) { _, own in own },
        problem.status)
    }
    if let wait = problem.retryAfter { response.headers[.retryAfter] = String(wait) }
    if let allowed = problem.fields.first(where: { $0.name == "allowed" })?.value.array {
      response.headers[.allow] = allowed.compactMap(\.string).joined(separator: ", ")
    }
    return response
  }

  func login(
    _ words: ConsoleLogin.Words?, next: String?, _ requestID: RequestID, status: Int = 200
  ) -> Response {
    var values = common("Log in", requestID)
    values["next"] = next
    if let words {
      values["words"] = ["text": words.text, "isProblem": words.isProblem] as PageValues
    }
    return render("login", values, status)
  }

  /// 429 with the time to wait.
  func tooManyLogins(wait: Duration, next: String?, _ requestID: RequestID) -> Response {
    let seconds = max(1, Int(wait.components.seconds) + (wait.components.attoseconds > 0 ? 1 : 0))
    var response = login(
      ConsoleLogin.Words(
        text: "Too many logins have failed. Wait \(seconds) seconds, then try again.",
        isProblem: true),
      next: next, requestID, status: 429)
    response.headers[.retryAfter] = String(seconds)
    return response
  }

  private func common(_ title: String, _ requestID: RequestID) -> PageValues {
    [
      "title": title, "requestID": requestID.text, "style": assets.style.path,
      "script": assets.script.path, "icon": assets.icon.path,
    ]
  }

  private func render(_ name: String, _ values: PageValues, _ status: Int) -> Response {
    let html = library.render(values as [String: Any], withTemplate: name) ?? ""
    var response = Response(status, "text/html; charset=utf-8", Array(html.utf8))
    response.headers[.contentSecurityPolicy] = Self.policy
    // With no-referrer browsers would not say which site an act comes from.
    response.headers[.referrerPolicy] = "same-origin"
    return response
  }
}
