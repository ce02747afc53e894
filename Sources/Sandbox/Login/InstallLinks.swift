import Base
import NIOHTTP1
import Synchronization

/// `/app/{client_id}/install` and its result pages: installs that start outside the control panel.
struct InstallLinks: Sendable {
  let platform: Platform
  let pages: PageLibrary

  func respond(to request: SandboxRequest) -> SandboxResponse {
    let segments = request.segments
    let response = answer(request, segments)
    platform.journal.record(
      host: "login", request: request, status: Int(response.status.code), clientID: nil,
      tokenStore: nil, at: platform.now)
    return response
  }

  private func answer(_ request: SandboxRequest, _ segments: [String]) -> SandboxResponse {
    guard segments.count >= 3, segments[2] == "install", let app = platform.app(segments[1]) else {
      var page = pages.message(
        title: "Not available", text: "This app is not available for installation.")
      page.status = .notFound
      return page
    }
    switch (request.method, segments.dropFirst(3).first) {
    case (.GET, nil): return choose(app, request.query)
    case (.POST, nil): return accept(app, request.form)
    case (.GET, "succeeded"):
      return pages.message(
        title: "Installed", text: "\(app.name) is installed. You may close this window.")
    case (.GET, "failed"):
      return pages.message(
        title: "Not installed", text: "\(app.name) could not be installed. Please try again.")
    default: return APIFailure.noRoute.response(version: .v3)
    }
  }

  /// The consent page; with `accept=true` in the query it counts as accepted at once.
  private func choose(_ app: AppRegistration, _ query: Query) -> SandboxResponse {
    if query["accept"] == "true" { return accept(app, query) }
    let wanted = query["store_hash"]
    let stores = platform.stores.withLock { $0.all }.filter { wanted == nil || $0.hash == wanted }
    return pages.render(
      "external",
      [
        "app": app.name, "clientID": app.clientID, "userID": query["user_id"] ?? "",
        "scopes": app.scopes.map { ["scope": $0] },
        "stores": stores.prefix(200).map { ["hash": $0.hash, "name": $0.profile.name] },
      ])
  }

  private func accept(_ app: AppRegistration, _ form: Query) -> SandboxResponse {
    guard let store = platform.store(form["store_hash"] ?? "demo1234") else {
      return pages.message(title: "No such store", text: "Choose a store to install on.")
    }
    let profile = store.profile
    let user = form["user_id"].flatMap { Int64($0) }.flatMap { profile.user($0) } ?? profile.owner
    let merchant = Merchant(platform: platform, app: app, store: store)
    return .redirect(to: merchant.consent(user: user, isExternal: true).url)
  }
}
