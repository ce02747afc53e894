import Base
import Curl
import Fields
import NIOCore

/// Follows the feed over its stream, and comes again by itself after an interruption.
struct EventFollower {
  private static let firstPause = Duration.milliseconds(500)
  private static let longestPause = Duration.seconds(10)

  private let client: APIClient
  private let query: APIPath.Query
  private let console: Console
  private let show: (JSONValue) throws -> Void
  /// Behind it is what was not shown yet; `nil` until the service has said where we are.
  private var place: String?
  /// How many events are still wanted.
  private var rest: Int?
  private var hasBegun = false
  private var isAway = false

  /// Begins behind `start`: a cursor, `newest` or `oldest`; ends after `limit` events.
  init(
    client: APIClient, query: APIPath.Query, start: String, limit: Int?, console: Console,
    show: @escaping (JSONValue) throws -> Void
  ) {
    self.client = client
    self.query = query + [("after", start)]
    self.console = console
    self.show = show
    rest = limit
  }

  /// Shows events until the limit is reached or the task is cancelled.
  ///
  /// - Throws: what an attempt is refused with, unless it may be better soon; before the first
  ///   success everything, so that a wrong address is told at once.
  mutating func run() async throws {
    var pause = Self.firstPause
    while true {
      let reason: String
      do {
        let call = APICall(target: APIPath.target("/v1/events/stream", query))
        let response = try await open(call)
        if isAway { console.note("Connected again.") }
        (hasBegun, isAway, pause) = (true, false, Self.firstPause)
        guard try await follow(response.body) else { return }
        reason = "The service ended the stream."
      } catch let error as Interruption {
        guard hasBegun else { throw error.failure }
        reason = error.text
      }
      if !isAway { console.note("\(reason) Trying again.") }
      isAway = true
      try await console.clock.sleep(for: pause)
      pause = min(pause * 2, Self.longestPause)
    }
  }

  /// Why the stream is not there, though it may be soon.
  private struct Interruption: Error {
    let text: String
    let failure: any Error
  }

  private func open(_ call: APICall) async throws -> CurlResponse {
    var headers: FieldSection = [.authorization: "Bearer \(client.address.key.expose())"]
    if let place { headers[.lastEventID] = place }
    let request = CurlRequest(
      origin: client.address.origin, method: call.method, target: call.target, headers: headers)
    let response: CurlResponse
    let body: ByteBuffer
    do throws(CurlError) {
      response = try await client.curl.send(request)
      guard response.status != 200 else { return response }
      body = try await response.body.collect(upTo: .mebibytes(1))
    } catch {
      throw try interruption(error, of: call)
    }
    let failure = APIFailure(
      status: response.status, body: Array(body.readableBytesView), requestID: nil)
    guard response.status == 429 || response.status >= 500 else { throw failure }
    throw Interruption(
      text: Table.printable("\(failure.title) (\(failure.status))."), failure: failure)
  }

  /// - Returns: whether more is wanted when the stream has ended.
  private mutating func follow(_ body: CurlResponseBody) async throws -> Bool {
    var reader = ServerSentEvents()
    var pieces = body.makeAsyncIterator()
    while true {
      let piece: ByteBuffer?
      do throws(CurlError) {
        piece = try await pieces.next()
      } catch {
        throw try interruption(error, of: APICall(target: "/v1/events/stream"))
      }
      guard let piece else { return true }
      for message in try reader.read(piece.readableBytesView) {
        if let data = message.data {
          guard let event = try? JSONScanner.parse(Array(data.utf8)) else {
            throw CommandFailure(
              text: "What answers at \(client.address.origin) is not Latchkey's API.")
          }
          try show(event)
          rest = rest.map { $0 - 1 }
        }
        // Only now: what was not shown comes again.
        if let id = message.id { place = id }
        if rest == 0 { return false }
      }
    }
  }

  private func interruption(_ error: CurlError, of call: APICall) throws -> Interruption {
    // Ctrl-C.
    guard error != .cancelled else { throw CancellationError() }
    let failure = client.failure(error, of: call)
    return Interruption(
      text: error.wasSent ? "The stream broke off (\(error))." : "Nothing answers (\(error)).",
      failure: failure)
  }
}
