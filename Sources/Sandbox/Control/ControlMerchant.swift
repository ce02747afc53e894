import Base
import NIOCore
import NIOHTTP1

/// Commands that do what a merchant does in the panel, with the sandbox as the browser.
enum ControlMerchant {
  static let commands: [ControlAPI.Command] = [
    .init(
      .POST, "install", "consents and calls the auth callback: client_id, store_hash, user_id"
    ) { call throws(ControlError) in
      let merchant = try call.merchant()
      let callback = merchant.consent(
        user: try call.user(of: merchant.store), isExternal: call.body["external"]?.bool ?? false,
        scopes: call.scopes())
      return visit(callback, call)
    },
    .init(.POST, "open", "calls the load callback: client_id, store_hash, user_id, url") {
      call throws(ControlError) in
      let merchant = try call.merchant()
      let callback = merchant.load(
        user: try call.user(of: merchant.store), url: call.body["url"]?.string ?? "/",
        channel: call.body["channel_id"]?.integer)
      return visit(callback, call)
    },
    .init(
      .POST, "uninstall", "ends the installation, then calls the uninstall callback"
    ) { call throws(ControlError) in
      let merchant = try call.merchant()
      return .later(
        merchant.uninstall(user: try call.user(of: merchant.store), client: call.client)
          .map { .json($0.document) })
    },
    .init(.POST, "remove_user", "calls the remove-user callback: client_id, store_hash, user_id") {
      call throws(ControlError) in
      let merchant = try call.merchant()
      return .later(
        merchant.removeUser(try call.user(of: merchant.store), client: call.client)
          .map { .json($0.document) })
    },
  ]

  private static func visit(_ callback: Callback, _ call: ControlCall) -> Outcome {
    .later(
      call.client.get(callback.url)
        .map { CallbackResult.answered($0) }
        .recover { CallbackResult.failed("\($0)") }
        .map { result in
          .json(
            result.document.setting("url", .string(callback.url))
              .setting("code", callback.code.map { .string($0) } ?? .null))
        })
  }
}
