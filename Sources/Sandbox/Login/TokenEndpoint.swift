import Base
import BigCommerce
import NIOCore
import NIOHTTP1
import Synchronization

/// `POST /oauth2/token`: a code for a token, with the refusals seen in the field.
struct TokenEndpoint: Sendable {
  let platform: Platform

  func respond(to request: SandboxRequest) -> SandboxResponse {
    let now = platform.now
    let response: SandboxResponse
    do throws(TokenRefusal) {
      response = try exchange(request, at: now)
    } catch {
      response = error.response
    }
    platform.journal.record(
      host: "login", request: request, status: Int(response.status.code), clientID: nil,
      tokenStore: nil, at: now)
    return response
  }

  private func exchange(
    _ request: SandboxRequest, at now: Timestamp
  ) throws(TokenRefusal) -> SandboxResponse {
    guard request.method == .POST else {
      platform.journal.countTokenRequest(code: nil)
      throw .notATokenRequest
    }
    let fields = Result { () throws(TokenRefusal) in try TokenEndpoint.fields(of: request) }
    platform.journal.countTokenRequest(code: (try? fields.get())?["code"])
    let asked = try TokenRequest(try fields.get())
    guard let app = platform.app(asked.clientID), app.clientSecret == asked.clientSecret else {
      throw .invalidClient
    }
    guard asked.grantType == "authorization_code" else {
      throw .refused("unsupported_grant_type", "The grant type is not supported")
    }
    guard asked.redirectURI == app.authCallback else { throw .redirectMismatch }
    guard
      let code = platform.accounts.withLock({ $0.spend(asked.code, clientID: app.clientID) })
    else { throw .refused("invalid_grant", "The authorization code is invalid or was used") }
    return answer(app: app, code: code, context: asked.context, at: now)
  }

  /// A wrong context makes a token that belongs to no store and opens nothing.
  private func answer(
    app: AppRegistration, code: GrantCode, context: String?, at now: Timestamp
  ) -> SandboxResponse {
    let isBound = context == code.store.context
    let scopes = code.scopes + ["store_v2_default", "users_basic_information"]
    let token = platform.text.word(31)
    let access = Access(
      clientID: app.clientID, store: isBound ? code.store : nil,
      granted: Scopes(isBound ? scopes : []),
      scopeText: scopes.joined(separator: " "), userID: code.user.id, issued: now)
    platform.accounts.withLock { $0.keep(access, token: token) }
    let owner = code.store.profile.owner
    var response = SandboxResponse.json([
      "access_token": .string(token),
      "scope": isBound ? .string(access.scopeText) : .null,
      "user": TokenEndpoint.person(code.user), "owner": TokenEndpoint.person(owner),
      "context": context.map { .string($0) } ?? .null,
      "account_uuid": .string(TokenEndpoint.developerAccount),
    ])
    response.headers.add(name: "cache-control", value: "no-store")
    return response
  }

  /// The developer's account: the same for every install of every app.
  static let developerAccount = "0f3ab9d1-6f5c-4c5e-9d7a-7c1d52d4f1aa"

  private static func person(_ user: StoreUser) -> JSONValue {
    ["id": .integer(user.id), "username": .string(user.email), "email": .string(user.email)]
  }

  /// Reads the body by its media type.
  ///
  /// A body that does not match its type is 401; a type, or an `Accept`, that the host cannot serve
  /// is 406.
  private static func fields(of request: SandboxRequest) throws(TokenRefusal) -> Query {
    let accepted = request.headers[canonicalForm: "accept"].map { $0.lowercased() }
    let servesJSON = accepted.contains {
      $0.hasPrefix("application/json") || $0.hasPrefix("*/*") || $0.hasPrefix("application/*")
    }
    guard accepted.isEmpty || servesJSON else { throw .invalidFormat }
    let bytes = request.bodyBytes
    let looksLikeJSON = bytes.first { $0 > 0x20 } == UInt8(ascii: "{")
    switch request.mediaType {
    case "application/json":
      guard looksLikeJSON else { throw .invalidClient }
      do throws(JSONError) {
        let document = try JSONScanner.parse(bytes)
        return Query(
          (document.members ?? []).map { .init(name: $0.name, value: $0.value.filterText) })
      } catch {
        throw .invalidClient
      }
    case "application/x-www-form-urlencoded":
      guard !looksLikeJSON else { throw .invalidClient }
      return request.form
    default: throw .invalidFormat
    }
  }
}

/// The fields of a token request.
private struct TokenRequest {
  let clientID: String
  let clientSecret: String
  let code: String
  let context: String?
  let grantType: String
  let redirectURI: String

  /// Without a code and a client the login host takes the call for a lost browser.
  init(_ fields: Query) throws(TokenRefusal) {
    guard let clientID = fields["client_id"], let code = fields["code"], !code.isEmpty,
      let grantType = fields["grant_type"]
    else { throw .notATokenRequest }
    self.clientID = clientID
    self.code = code
    self.grantType = grantType
    clientSecret = fields["client_secret"] ?? ""
    context = fields["context"]
    redirectURI = fields["redirect_uri"] ?? ""
  }
}

/// How the login host refuses a token request.
private enum TokenRefusal: Error {
  case notATokenRequest
  case invalidFormat
  case invalidClient
  case redirectMismatch
  case refused(String, String)

  var response: SandboxResponse {
    switch self {
    case .notATokenRequest: .redirect(to: "https://login.bigcommerce.com/login")
    case .invalidFormat: .json(["error": "Invalid format."], status: .notAcceptable)
    case .invalidClient:
      TokenRefusal.answer(
        "invalid_client", "Client authentication failed", status: .unauthorized)
    case .redirectMismatch:
      TokenRefusal.answer(
        "invalid_request", "Parameter redirect_uri does not match registered URI")
    case .refused(let error, let description): TokenRefusal.answer(error, description)
    }
  }

  private static func answer(
    _ error: String, _ description: String, status: HTTPResponseStatus = .badRequest
  ) -> SandboxResponse {
    .json(
      ["error": .string(error), "error_description": .string(description)], status: status)
  }
}
