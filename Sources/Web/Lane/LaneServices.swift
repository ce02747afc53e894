import Base
import Events
import Fields
import Gateway
import NIOCore
import Upstream

/// Calls of stores without a body.
struct CallLane: LaneService {
  let gateway: any GatewayResponding

  let bodyLimit = ByteCount(0)

  func takes(_ head: Span<UInt8>) -> Bool {
    head.begins(with: "GET /stores/") || head.begins(with: "HEAD /stores/")
  }

  func begin(
    _ request: LaneRequest, _ done: @escaping @Sendable (GatewayResponse) -> Void
  ) -> (any Cancellable)? {
    gateway.begin(request.call, done)
  }
}

/// Deliveries of webhooks.
struct DeliveryLane: LaneService {
  let door: DeliveryDoor
  let routes: PublicRoutes

  let bodyLimit = DeliveryDoor.bodyLimit

  func takes(_ head: Span<UInt8>) -> Bool { head.begins(with: "POST /webhooks/") }

  func begin(
    _ request: LaneRequest, _ done: @escaping @Sendable (GatewayResponse) -> Void
  ) -> (any Cancellable)? {
    let call = request.call
    let path = String(RawTarget(call.target).path)
    guard case .webhook(let app, let token)? = routes.route(path) else {
      done(answer(.noPublicRoute, call.requestID, RequestSubject()))
      return nil
    }
    let notes = RequestNotes(trace: call.trace)
    let delivery = DeliveryDoor.delivery(
      app, token, call.headers, request.body, call.requestID, notes)
    // It is taken also when the sender has gone, so there is nothing to cancel.
    door.intake.take(delivery) { [loop = call.loop] answer in
      let response = self.answer(
        DeliveryDoor.problem(answer), delivery.requestID, notes.subject)
      if loop.inEventLoop { done(response) } else { loop.execute { done(response) } }
    }
    return nil
  }

  private func answer(
    _ problem: Problem?, _ requestID: RequestID, _ subject: RequestSubject
  ) -> GatewayResponse {
    var answer = problem.map { GatewayResponse.plain($0, requestID) } ?? .empty
    answer.subject = subject
    return answer
  }
}

extension GatewayResponse {
  fileprivate static let empty = GatewayResponse(
    status: 200, headers: [:], body: .bytes(ByteBuffer()))

  /// A problem as the public listener tells it: not the gateway's.
  fileprivate static func plain(_ problem: Problem, _ requestID: RequestID) -> GatewayResponse {
    var headers: FieldSection = [.contentType: "application/problem+json"]
    let body = ByteBuffer(bytes: problem.encoded(requestID: requestID))
    headers[.contentLength] = String(body.readableBytes)
    if let wait = problem.retryAfter { headers[.retryAfter] = String(wait) }
    return GatewayResponse(status: problem.status, headers: headers, body: .bytes(body))
  }
}

extension Span<UInt8> {
  fileprivate func begins(with text: String) -> Bool {
    let length = text.utf8.count
    return count >= length && extracting(0..<length).isText(text)
  }
}
