import Base
import BigCommerce
import Storage

extension StoresAPI {
  func importOne(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let isDryRun = try request.query.flag("dry_run")
    let brought = try request.brought(request.body, app: nil)
    try await importer.keep(
      brought, isDryRun: isDryRun,
      act: Act(actor: request.caller.keyID, requestID: request.requestID))
    guard !isDryRun else {
      return APIAnswer([
        "store_hash": .string(brought.installation.store.text), "result": "would_import",
      ])
    }
    await changed()
    return APIAnswer(try await document(of: brought.installation), status: 201)
  }

  /// One JSON object a line; lines are tried one after the other, so that a fleet's import paces
  /// itself.
  func importMany(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let isDryRun = try request.query.flag("dry_run")
    _ = try request.query.tenant(of: request.caller)
    let lines = request.body.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    guard !request.body.isEmpty else { throw .badRequest("The body has no lines.") }
    guard lines.count <= 1001 else {
      throw .badRequest("At most 1000 lines at once; send more calls.")
    }
    var results: [JSONValue] = []
    for (index, line) in lines.enumerated() where !line.allSatisfy({ $0 <= 0x20 }) {
      if Task.isCancelled { break }
      results.append(await importLine(Array(line), number: index + 1, isDryRun, request))
    }
    await changed()
    return .page(results, next: nil)
  }

  private func importLine(
    _ line: [UInt8], number: Int, _ isDryRun: Bool, _ request: APIRequest
  ) async -> JSONValue {
    var members: [JSONValue.Member] = [.init("line", .integer(number))]
    do throws(Problem) {
      let brought = try request.brought(line, app: request.query["app"])
      members.append(.init("store_hash", .string(brought.installation.store.text)))
      try await importer.keep(
        brought, isDryRun: isDryRun,
        act: Act(actor: request.caller.keyID, requestID: request.requestID))
      members.append(.init("result", isDryRun ? "would_import" : "imported"))
    } catch {
      members += [
        .init("result", "refused"), .init("code", .string(error.code)),
        .init("detail", .string(error.detail)),
      ]
    }
    return .object(members)
  }
}

extension APIRequest {
  /// Reads `{"store_hash", "access_token", "app"?, "scopes"?, "labels"?}`, and checks it against
  /// the caller's grant.
  fileprivate func brought(_ bytes: [UInt8], app: String?) throws(Problem) -> BroughtToken {
    let body = try object(bytes)
    guard let hash = StoreHash(try body.text("store_hash")) else {
      throw .badRequest("The field store_hash is 1 to 32 lower-case letters and digits.")
    }
    let token = try body.text("access_token")
    guard token.utf8.count <= 512, token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw .badRequest("The field access_token is 1 to 512 printable ASCII characters.")
    }
    let named = try body.optionalText("app") ?? app
    return BroughtToken(
      installation: try granted(hash, app: named), token: Secret(token),
      scopes: try body.optionalTexts("scopes").map { Scopes($0) },
      labels: try StoreLabel.set("labels", body))
  }
}
