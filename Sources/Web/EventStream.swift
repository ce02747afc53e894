import Base
import BigCommerce
package import Events
import Fields
import Gateway
import Hummingbird
import NIOCore
import Storage

/// `GET /v1/events/stream`: the feed as server-sent events, which go on for as long as the client
/// stays.
package struct EventStream: Sendable {
  /// Without events, the place alone goes out so often: proxies and clients see that the line lives.
  private static let heartbeat = Duration.seconds(15)
  private static let pageSize = 100

  private let reader: FeedReader
  private let draining: Draining

  package init(reader: FeedReader, draining: Draining) {
    self.reader = reader
    self.draining = draining
  }

  /// Begins where `Last-Event-ID` or `after` says, else behind the newest event.
  ///
  /// Each event's `id` is its cursor, with which a client goes on after an interruption; `event` is
  /// its type, `data` the event as `GET /v1/events` shows it. The stream ends when the replica
  /// stops, when the feed cannot be read, and when the key no longer counts: clients come again by
  /// themselves.
  ///
  /// - Throws: 400, 403 and 410 as `GET /v1/events` does, before the stream begins.
  func response(
    to request: WebRequest, _ caller: APICaller
  ) async throws(Problem) -> Response {
    let query = try APIQuery(
      String(request.target.query ?? ""), known: Operation.streamEvents.queryNames)
    var wanted = try EventQuery(query, caller)
    if let last = request.headers.firstValue(of: .lastEventID) {
      wanted.start = try EventQuery.start(last)
    } else if query["after"] == nil {
      wanted.start = .newest
    }
    // A cursor that leads nowhere is told before the answer's head is out.
    let first = try await page(wanted, wait: .zero, caller)
    let stream = Response(
      status: .ok,
      headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
      body: ResponseBody { [wanted] writer in
        try await writer.write(ByteBuffer(string: "retry: 2000\n\n"))
        var page = first
        var wanted = wanted
        while true {
          let bytes = EventStream.bytes(of: page)
          if bytes.readableBytes > 0 { try await writer.write(bytes) }
          if draining.isDraining || Task.isCancelled { break }
          wanted.start = .after(page.next)
          do throws(Problem) {
            page = try await self.page(wanted, wait: EventStream.heartbeat, caller)
          } catch {
            break
          }
        }
        try await writer.finish(nil)
      })
    return stream
  }

  private func page(
    _ wanted: EventQuery, wait: Duration, _ caller: APICaller
  ) async throws(Problem) -> FeedReader.Page {
    try await reader.find(wanted, limit: EventStream.pageSize, wait: wait, caller) {
      draining.isDraining
    }
  }

  private static func bytes(of page: FeedReader.Page) -> ByteBuffer {
    var bytes = ByteBuffer()
    for (event, cursor) in zip(page.events, page.cursors) {
      bytes.writeString("id: \(cursor.text)\nevent: \(event.type)\ndata: ")
      // Encoded JSON has no line break.
      bytes.writeBytes(EventDocument.json(for: event, at: cursor).encoded())
      bytes.writeString("\n\n")
    }
    // No event, but clients remember it as the place to go on from: who waits for a rare event, or
    // for the first, need not look through the same again.
    if page.cursors.last != page.next { bytes.writeString("id: \(page.next.text)\n\n") }
    return bytes
  }
}
