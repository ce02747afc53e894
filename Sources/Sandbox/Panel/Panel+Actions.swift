import Base
import NIOCore
import NIOHTTP1
import Synchronization

extension Panel {
  /// Carries out what a button asks for.
  func act(
    _ action: String, store hash: String, form: Query, client: OutboundClient
  ) -> Outcome {
    guard let store = platform.store(hash) else { return .now(noSuchStore(hash)) }
    guard let app = platform.app(form["client_id"] ?? "") else {
      return .now(
        pages.message(
          title: "No such app", text: "The app is not registered.", back: "/manage/\(hash)"))
    }
    let merchant = Merchant(platform: platform, app: app, store: store)
    let profile = store.profile
    let user = form["user_id"].flatMap { Int64($0) }.flatMap { profile.user($0) } ?? profile.owner
    switch action {
    case "install": return .now(install(merchant, user))
    case "open": return .now(open(merchant, user, url: form["url"] ?? "/"))
    case "external":
      let query = "store_hash=\(hash)&user_id=\(user.id)"
      return .now(.redirect(to: "/app/\(app.clientID)/install?\(query)", status: .seeOther))
    case "scopes": return .now(changeScopes(merchant, form["scopes"] ?? ""))
    case "uninstall":
      return .later(
        merchant.uninstall(user: user, client: client)
          .map { report("Uninstalled", merchant, $0) })
    case "remove_user":
      return .later(
        merchant.removeUser(user, client: client)
          .map { report("\(user.name) removed", merchant, $0) })
    default: return .now(storePage(hash))
    }
  }

  private func install(_ merchant: Merchant, _ user: StoreUser) -> SandboxResponse {
    frame(merchant, user, merchant.consent(user: user).url, action: "installing")
  }

  /// Opens the app, or asks for consent first when its scopes have changed.
  private func open(_ merchant: Merchant, _ user: StoreUser, url: String) -> SandboxResponse {
    guard merchant.needsConsent, let grant = merchant.grant else {
      return frame(merchant, user, merchant.load(user: user, url: url).url, action: "opening")
    }
    return pages.render(
      "consent",
      [
        "hash": merchant.store.hash, "app": merchant.app.name, "clientID": merchant.app.clientID,
        "userID": String(user.id),
        "added": merchant.app.scopes.filter { !grant.access.scopes.contains($0) }
          .map { ["scope": $0] },
        "scopes": merchant.app.scopes.map { ["scope": $0] },
      ])
  }

  /// The app's page stands in an iframe, as in BigCommerce's control panel.
  private func frame(
    _ merchant: Merchant, _ user: StoreUser, _ url: String, action: String
  ) -> SandboxResponse {
    pages.render(
      "frame",
      [
        "hash": merchant.store.hash, "store": merchant.store.profile.name,
        "app": merchant.app.name, "url": url, "user": user.name, "action": action,
      ])
  }

  private func changeScopes(_ merchant: Merchant, _ text: String) -> SandboxResponse {
    var app = merchant.app
    app.scopes = text.split { $0 == " " || $0 == "," || $0.isNewline }.map(String.init)
    let changed = app
    platform.accounts.withLock { $0.register(changed) }
    return .redirect(
      to: "/manage/\(merchant.store.hash)?notice="
        + PercentText.encode("Scopes changed. Stores are asked when they open the app."),
      status: .seeOther)
  }

  private func report(
    _ title: String, _ merchant: Merchant, _ result: CallbackResult
  ) -> SandboxResponse {
    let text: String
    switch result {
    case .answered(let response): text = "The app's callback answered \(response.status)."
    case .noCallback: text = "The app registered no callback for this."
    case .failed(let reason): text = "The app's callback could not be reached: \(reason)"
    }
    var detail = ""
    if case .answered(let response) = result {
      detail = String(decoding: response.body.readableBytesView.prefix(4096), as: UTF8.self)
    }
    return pages.message(
      title: title, text: text, detail: detail, back: "/manage/\(merchant.store.hash)")
  }
}
