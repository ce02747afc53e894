import Base
import NIOCore
import NIOHTTP1
import Synchronization

/// The control panel: what a merchant would see at `store-{hash}.mybigcommerce.com/manage`.
struct Panel: Sendable {
  let platform: Platform
  let pages: PageLibrary

  func respond(to request: SandboxRequest, client: OutboundClient) -> Outcome {
    let segments = request.segments
    switch (request.method, segments.first) {
    case (.GET, nil), (.HEAD, nil): return .now(storeList(request.query))
    case (.GET, "style.css"): return .now(style)
    case (.GET, "favicon.ico"): return .now(SandboxResponse(status: .noContent))
    case (.GET, "manage") where segments.count == 2:
      return .now(storePage(segments[1], notice: request.query["notice"]))
    case (.POST, "manage") where segments.count == 3:
      return act(segments[2], store: segments[1], form: request.form, client: client)
    default:
      var page = pages.message(title: "Not here", text: "The sandbox has no such page.")
      page.status = .notFound
      return .now(page)
    }
  }

  private var style: SandboxResponse {
    SandboxResponse(
      headers: ["content-type": "text/css; charset=utf-8", "cache-control": "max-age=60"],
      body: ByteBuffer(bytes: pages.style))
  }

  private func storeList(_ query: Query) -> SandboxResponse {
    let word = query["q"]?.lowercased() ?? ""
    let perPage = 40
    let page = max(1, query["page"].flatMap { Int($0) } ?? 1)
    let stores = platform.stores.withLock { $0.all }.filter { store in
      word.isEmpty || store.hash.contains(word)
        || store.profile.name.lowercased().contains(word)
    }
    let apps = platform.accounts.withLock { $0.apps }
    let shown = stores.dropFirst((page - 1) * perPage).prefix(perPage)
    return pages.render(
      "stores",
      [
        "q": query["q"] ?? "", "total": stores.count == 1 ? "1 store" : "\(stores.count) stores",
        "stores": shown.map { store in
          let installed = apps.filter {
            Merchant(platform: platform, app: $0, store: store).grant != nil
          }
          return [
            "hash": store.hash, "name": store.profile.name, "owner": store.profile.owner.email,
            "installed": installed.map { ["name": $0.name] }, "none": installed.isEmpty,
          ] as [String: Any]
        },
        "apps": apps.map { PanelText.app($0) }, "noApps": apps.isEmpty,
        "previous": page > 1 ? ["page": page - 1, "q": PercentText.encode(word)] : [:],
        "hasPrevious": page > 1, "hasNext": stores.count > page * perPage,
        "previousPage": page - 1, "nextPage": page + 1, "encoded": PercentText.encode(word),
      ])
  }

  func storePage(_ hash: String, notice: String? = nil) -> SandboxResponse {
    guard let store = platform.store(hash) else { return noSuchStore(hash) }
    let profile = store.profile
    let quota = store.quota
    let apps = platform.accounts.withLock { $0.apps }
    return pages.render(
      "store",
      [
        "hash": hash, "name": profile.name, "notice": notice ?? "", "hasNotice": notice != nil,
        "users": profile.users.map { PanelText.user($0) },
        "quota": "\(quota.limit) calls in \(quota.window.inMilliseconds / 1000) s",
        "apps": apps.map { app in
          PanelText.installation(
            Merchant(platform: platform, app: app, store: store), users: profile.users)
        }, "noApps": apps.isEmpty,
      ].merging(activity(of: store)) { _, new in new })
  }

  /// The store's webhooks and the calls that came for it last.
  private func activity(of store: Store) -> [String: Any] {
    let (hooks, use) = store.withHooks { ($0.hooks.rows, $0.hookUse) }
    let prefix = "/stores/\(store.hash)/"
    let calls = platform.journal.latest(12) { $0.target.hasPrefix(prefix) }
    return [
      "noHooks": hooks.isEmpty, "noCalls": calls.isEmpty,
      "hooks": hooks.map { hook in
        PanelText.hook(hook, hook["id"]?.integer.flatMap { use[$0] })
      },
      "calls": calls.map { call in
        [
          "method": call.method.rawValue, "target": String(call.target.dropFirst(prefix.count - 1)),
          "status": String(call.status), "tone": call.status < 400 ? "good" : "warn",
        ]
      },
    ]
  }

  func noSuchStore(_ hash: String) -> SandboxResponse {
    var page = pages.message(title: "No such store", text: "There is no store \(hash).")
    page.status = .notFound
    return page
  }
}

/// What the templates show of an app, a user and an installation.
enum PanelText {
  static func app(_ app: AppRegistration) -> [String: Any] {
    [
      "name": app.name, "clientID": app.clientID, "callback": app.authCallback,
      "scopes": app.scopes.map { ["scope": $0] },
    ]
  }

  static func user(_ user: StoreUser) -> [String: Any] {
    [
      "id": String(user.id), "name": user.name, "email": user.email,
      "role": user.isOwner ? "owner" : "user", "locale": user.locale,
    ]
  }

  static func hook(_ hook: JSONValue, _ use: HookUse?) -> [String: Any] {
    let isActive = hook["is_active"]?.bool == true
    let last = use?.lastOutcome ?? ""
    return [
      "scope": hook["scope"]?.string ?? "", "destination": hook["destination"]?.string ?? "",
      "state": isActive ? "active" : use?.isDeactivated == true ? "deactivated" : "inactive",
      "tried": !last.isEmpty, "last": last, "tone": last.hasPrefix("2") ? "good" : "warn",
    ]
  }

  static func installation(_ merchant: Merchant, users: [StoreUser]) -> [String: Any] {
    let grant = merchant.grant
    var values = app(merchant.app)
    values["installed"] = grant != nil
    values["consent"] = merchant.needsConsent
    values["since"] = grant.map { CalendarText.plain($0.access.issued) } ?? ""
    values["granted"] =
      grant.map { grant in
        grant.access.scopeText.split(separator: " ").map { ["scope": String($0)] }
      } ?? []
    values["scopeText"] = merchant.app.scopes.joined(separator: " ")
    values["users"] = users.map { user($0) }
    values["hash"] = merchant.store.hash
    return values
  }
}
