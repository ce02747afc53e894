import Base
import Fields
import Gateway
import HTTPTypes
import NIOCore

/// Calls of stores as the console makes them: through the gateway, with the session's key.
///
/// Grant, scopes, quota and usage are those of any call with the key.
struct ConsoleCalls: Sendable {
  private static let most = 1 << 20

  let gateway: any GatewayResponding
  let keyID: String
  let requestID: RequestID
  let trace: TraceContext
  let loop: any EventLoop
  let clientAddress: String

  /// What a store's API answers to `GET`; the path is below the store, such as `/v2/store`.
  ///
  /// - Throws: the gateway's or BigCommerce's refusal.
  func get(_ path: String, of store: StoreName) async throws(Problem) -> JSONValue {
    let fields: FieldSection = [
      .latchkeyApp: store.app, .latchkeyTimeout: "10", .latchkeyMaxWait: "3",
      .accept: "application/json",
    ]
    let answer = await gateway.respond(
      to: GatewayRequest(
        method: .get, target: "/stores/\(store.hash)\(path)", headers: fields, contentLength: 0,
        body: nil, requestID: requestID, trace: trace, loop: loop, clientAddress: clientAddress,
        keyID: keyID))
    let body = try await read(answer.body)
    let value = try? JSONScanner.parse(body)
    guard answer.status == 200, let value else {
      throw Problem(
        status: answer.status, code: "store_answer",
        title: value?["title"]?.string ?? "The store answered \(answer.status)",
        detail: value?["detail"]?.string ?? "BigCommerce’s answer cannot be shown.")
    }
    return value
  }

  private func read(_ body: GatewayResponse.Body) async throws(Problem) -> [UInt8] {
    switch body {
    case .bytes(let bytes): return Array(bytes.readableBytesView)
    case .stream(_, let parts):
      var bytes: [UInt8] = []
      do {
        for try await part in parts {
          guard bytes.count + part.readableBytes <= Self.most else { throw Self.tooMuch }
          bytes += part.readableBytesView
        }
      } catch let problem as Problem {
        throw problem
      } catch {
        throw Problem(
          status: 502, code: "store_answer", title: "The answer broke off",
          detail: "BigCommerce’s answer did not arrive whole. Try again.")
      }
      return bytes
    }
  }

  private static let tooMuch = Problem(
    status: 502, code: "store_answer", title: "The answer is too large",
    detail: "It has more than a mebibyte.")
}
