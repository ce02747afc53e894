package import Base
import BigCommerce
package import Spooling
package import Storage

/// The spool of installs and callbacks.
package typealias InstallSpool = Spool<SpoolRecord>

/// Something accepted that is not in the database yet.
package enum SpoolRecord: Sendable {
  /// A token that BigCommerce gave.
  case install(InstallWrite, AttemptID)
  case uninstall(CallbackToken, Act)
  case removeUser(CallbackToken, Act)

  /// Whose it is.
  package var owner: InstallationID {
    switch self {
    case .install(let write, _): write.installation
    case .uninstall(let token, _), .removeUser(let token, _): token.installation
    }
  }

  /// A fixed word for logs.
  package var kind: String {
    switch self {
    case .install: "install"
    case .uninstall: "uninstall"
    case .removeUser: "remove_user"
    }
  }
}

/// The record as the text that is sealed.
extension SpoolRecord: Spoolable {
  package var installation: InstallationID? { owner }

  /// The text; of an install it holds the token.
  package var plaintext: Secret<[UInt8]> {
    switch self {
    case .install(let write, let attempt):
      let value: JSONValue = [
        "kind": .string(kind), "attempt": .integer(attempt.number),
        "token": .string(write.token.expose()), "scopes": .string(write.scopes.description),
        "authorized_at": .integer(write.authorizedAt.microseconds),
        "installer": SpoolRecord.value(write.installer), "owner": SpoolRecord.value(write.owner),
        "account_uuid": write.accountUUID.map { .string($0) } ?? .null,
        "actor": .string(write.act.actor), "request_id": SpoolRecord.value(write.act.requestID),
      ]
      return Secret(value.encoded())
    case .uninstall(let token, let act), .removeUser(let token, let act):
      let value: JSONValue = [
        "kind": .string(kind), "jti": .string(token.jti), "user": .integer(token.userID),
        "owner": token.ownerID.map { .integer($0) } ?? .null,
        "issued_at": .integer(token.issuedAt.microseconds),
        "expires_at": .integer(token.expiresAt.microseconds),
        "actor": .string(act.actor), "request_id": SpoolRecord.value(act.requestID),
      ]
      return Secret(value.encoded())
    }
  }

  /// Reads the text of a record; `nil` when it is none of this program's.
  package init?(plaintext: Secret<[UInt8]>, installation: InstallationID?) {
    guard let installation, let value = try? JSONScanner.parse(plaintext.expose()),
      let actor = value["actor"]?.string
    else { return nil }
    let act = Act(actor: actor, requestID: value["request_id"]?.string.flatMap { RequestID($0) })
    switch value["kind"]?.string {
    case "install":
      guard let attempt = value["attempt"]?.integer, let token = value["token"]?.string,
        let scopes = value["scopes"]?.string, let moment = value["authorized_at"]?.integer
      else { return nil }
      self = .install(
        InstallWrite(
          installation: installation, token: Secret(token), scopes: Scopes(parsing: scopes),
          authorizedAt: Timestamp(microseconds: moment),
          installer: SpoolRecord.user(value["installer"]), owner: SpoolRecord.user(value["owner"]),
          accountUUID: value["account_uuid"]?.string, act: act),
        AttemptID(installation: installation, number: attempt))
    case "uninstall", "remove_user":
      guard let jti = value["jti"]?.string, let user = value["user"]?.integer,
        let issued = value["issued_at"]?.integer, let expires = value["expires_at"]?.integer
      else { return nil }
      let token = CallbackToken(
        installation: installation, jti: jti, userID: user, ownerID: value["owner"]?.integer,
        issuedAt: Timestamp(microseconds: issued), expiresAt: Timestamp(microseconds: expires))
      self = value["kind"] == "uninstall" ? .uninstall(token, act) : .removeUser(token, act)
    default: return nil
    }
  }

  private static func value(_ id: RequestID?) -> JSONValue { id.map { .string($0.text) } ?? .null }

  private static func value(_ user: StoreUser?) -> JSONValue {
    guard let user else { return .null }
    return [
      "id": .integer(user.id), "email": user.email.map { .string($0) } ?? .null,
      "locale": user.locale.map { .string($0) } ?? .null,
    ]
  }

  private static func user(_ value: JSONValue?) -> StoreUser? {
    guard let value, let id = value["id"]?.integer else { return nil }
    return StoreUser(id: id, email: value["email"]?.string, locale: value["locale"]?.string)
  }
}
