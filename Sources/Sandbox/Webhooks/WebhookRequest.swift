import Base
import NIOCore
import NIOHTTP1

/// The head and body of one attempt.
struct WebhookRequest {
  let head: HTTPRequestHead
  let body: ByteBuffer

  /// Names that a webhook's own headers cannot set.
  private static let reserved: Set<String> = [
    "host", "content-length", "content-type", "connection", "transfer-encoding", "webhook-id",
    "webhook-timestamp", "webhook-signature",
  ]

  /// Signs with the client secret of the webhook's app, if no fault says otherwise.
  init(
    _ event: WebhookEvent, to hook: HookTarget, at target: OutboundTarget, secret: String,
    now: Timestamp, signature: inout WebhookSignature, faults: inout [WebhookFault]
  ) {
    let stale = faults.take(.stale, for: event)
    let timestamp = String(now.seconds - (stale?.amount ?? 0))
    let isForged = faults.take(.wrongSecret, for: event) != nil
    let code = signature.make(
      secret: isForged ? secret + "-wrong" : secret, id: event.id, timestamp: timestamp,
      body: event.body)
    let isAltered = faults.take(.altered, for: event) != nil
    body = isAltered ? WebhookRequest.altered(event.body) : event.body
    var headers: HTTPHeaders = [
      "host": target.authority, "content-type": "application/json", "accept": "*/*",
      "user-agent": "BigCommerce-Sandbox/1", "content-length": String(body.readableBytes),
    ]
    if faults.take(.noCustomHeaders, for: event) == nil {
      for header in hook.headers
      where !WebhookRequest.reserved.contains(header.name.lowercased()) {
        headers.add(name: header.name, value: header.value)
      }
    }
    if faults.take(.noSignatureHeaders, for: event) == nil {
      headers.add(name: "webhook-id", value: event.id)
      headers.add(name: "webhook-timestamp", value: timestamp)
      if faults.take(.unsigned, for: event) == nil {
        headers.add(name: "webhook-signature", value: code)
      }
    }
    head = HTTPRequestHead(
      version: .http1_1, method: .POST, uri: target.target, headers: headers)
  }

  /// The body with one more member, still JSON.
  private static func altered(_ body: ByteBuffer) -> ByteBuffer {
    var altered = body
    altered.moveWriterIndex(to: altered.writerIndex - 1)
    altered.writeString(",\"altered\":true}")
    return altered
  }
}
