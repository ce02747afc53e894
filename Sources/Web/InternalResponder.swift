package import Base
import BigCommerce
import Gateway
package import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Who a request's service key names; a problem when it names nobody.
package typealias Authenticate = @Sendable (HTTPFields) -> Result<APICaller, Problem>

/// Why this replica cannot serve, or `nil`.
package typealias Readiness = @Sendable () -> String?

/// Answers the internal listener: the gateway by the raw prefix `/stores/`, then the JSON API.
struct InternalResponder: HTTPResponder {
  typealias Context = ListenerContext

  let gateway: any GatewayResponding
  let api: APIRoutes
  let authenticate: Authenticate
  let readiness: Readiness
  let state: ListenerState
  let logger: Logger

  func respond(to request: Request, context: Context) async throws -> Response {
    let requestID = request.requestID(state.requestIDs)
    let target = request.head.path ?? "/"
    if target.utf8.starts(with: "/stores/".utf8) {
      return await relay(request, target, requestID, context)
    }
    let (path, query) = request.rawParts
    var response = await answer(request, path, query, requestID)
    response.seal(requestID, policy: ContentPolicy.nothing)
    response.headers[.latchkeyOrigin] = "gateway"
    if request.method == .head {
      response.body = ResponseBody(contentLength: response.body.contentLength) { _ in }
    }
    logger.info(
      "request",
      metadata: [
        "listener": "internal", "method": "\(request.method)", "path": "\(path)",
        "status": "\(response.status.code)", "request_id": "\(requestID)",
      ])
    return response
  }

  // MARK: Gateway

  private func relay(
    _ request: Request, _ target: String, _ requestID: RequestID, _ context: Context
  ) async -> Response {
    let length = request.headers[.contentLength].flatMap { Int($0) }
    let isChunked = request.headers[.transferEncoding] != nil
    let hasBody = isChunked || (length ?? 0) > 0
    let call = GatewayRequest(
      method: request.method, target: target, headers: request.headers,
      contentLength: isChunked ? nil : (length ?? 0), body: hasBody ? request.body : nil,
      requestID: requestID, loop: context.channel.eventLoop, clientAddress: context.peer)
    let presence = state.clients.presence(of: context.channel)
    let answer = await cancelled(with: presence) { await gateway.respond(to: call) }
    var response = Response(status: .init(code: answer.status), headers: answer.headers)
    switch answer.body {
    case .bytes(let buffer) where request.method == .head || buffer.readableBytes == 0:
      response.body = ResponseBody()
      if let declared = answer.headers[.contentLength] {
        response.headers[.contentLength] = declared
      }
    case .bytes(let buffer): response.body = ResponseBody(byteBuffer: buffer)
    case .stream(let length, let stream):
      response.body = streamed(stream, length, presence, context.channel)
    }
    return response
  }

  /// Runs the work of a call; when the client goes away the work is cancelled.
  private func cancelled(
    with presence: ClientPresence?, _ work: @escaping @Sendable () async -> GatewayResponse
  ) async -> GatewayResponse {
    // Not structured: the event that ends it comes from the connection, and a child task could only be ended by
    // another child that waits for it.
    let task = Task { await work() }
    watch(presence) { task.cancel() }
    defer { presence?.forget() }
    return await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
  }

  private func streamed(
    _ stream: any AsyncSequence<ByteBuffer, any Error> & Sendable, _ length: Int?,
    _ presence: ClientPresence?, _ channel: any Channel
  ) -> ResponseBody {
    ResponseBody(contentLength: length) { writer in
      do {
        var left = length
        let reader = StreamReader(stream)
        while let buffer = try await next(of: reader, presence) {
          left = left.map { $0 - buffer.readableBytes }
          try await writer.write(buffer)
        }
        guard (left ?? 0) == 0 else { throw CutBody() }
        try await writer.finish(nil)
      } catch {
        // The head is out: only an aborted connection tells the client that the body is not whole.
        channel.close(mode: .all, promise: nil)
        throw error
      }
    }
  }

  private func next(
    of reader: StreamReader, _ presence: ClientPresence?
  ) async throws -> ByteBuffer? {
    // Not structured, for the reason given above.
    let task = Task { try await reader.next() }
    watch(presence) { task.cancel() }
    defer { presence?.forget() }
    return try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }

  /// Nobody is registered for a connection that has closed already.
  private func watch(_ presence: ClientPresence?, _ gone: @escaping @Sendable () -> Void) {
    if let presence { presence.whenGone(gone) } else { gone() }
  }

  private struct CutBody: Error {}

  // MARK: JSON API

  private func answer(
    _ request: Request, _ path: String, _ query: String, _ requestID: RequestID
  ) async -> Response {
    do throws(Problem) {
      switch path {
      case "/livez": return Response(200, "text/plain", Array("ok\n".utf8))
      case "/readyz": return try ready()
      default: return try await callAPI(request, path, query, requestID)
      }
    } catch {
      return Response(error, requestID)
    }
  }

  private func ready() throws(Problem) -> Response {
    if state.draining.isDraining { throw .draining }
    if let reason = readiness() {
      throw Problem(
        status: 503, code: "not_ready", title: "Not ready", detail: reason, retryAfter: 2)
    }
    return Response(200, "text/plain", Array("ready\n".utf8))
  }

  private func callAPI(
    _ request: Request, _ path: String, _ query: String, _ requestID: RequestID
  ) async throws(Problem) -> Response {
    let caller = try authenticate(request.headers).get()
    let method = request.method == .head ? .get : request.method
    let (route, arguments) = try api.find(method, path)
    // The ability comes before the body: who may not do it need not send it.
    guard caller.grant.allows(route.ability) else { throw .abilityMissing(route.ability) }
    let body = try await read(request, upTo: route.bodyLimit)
    let answer = try await api.call(
      route, arguments: arguments, caller: caller, rawQuery: query, body: body,
      requestID: requestID)
    guard let document = answer.body else { return Response(status: .init(code: answer.status)) }
    return Response(answer.status, "application/json", document.encoded())
  }

  private func read(_ request: Request, upTo limit: ByteCount) async throws(Problem) -> [UInt8] {
    guard limit.bytes > 0 else { return [] }
    var bytes: [UInt8] = []
    do {
      for try await buffer in request.body {
        guard bytes.count + buffer.readableBytes <= limit.bytes else {
          throw Problem.bodyTooLarge(limit)
        }
        bytes.append(contentsOf: buffer.readableBytesView)
      }
    } catch let problem as Problem {
      throw problem
    } catch {
      throw .badRequest("The body did not arrive whole.")
    }
    return bytes
  }
}

/// Reads a stream so that a client who goes away ends even a read that waits for the upstream.
private actor StreamReader {
  private var iterator: (any AsyncIteratorProtocol<ByteBuffer, any Error>)?

  init(_ stream: any AsyncSequence<ByteBuffer, any Error> & Sendable) {
    iterator = stream.makeAsyncIterator()
  }

  /// The next bytes, or `nil` at the end; one call at a time.
  func next() async throws -> ByteBuffer? {
    guard var current = iterator.take() else { return nil }
    let buffer = try await current.next(isolation: self)
    if buffer != nil { iterator = current }
    return buffer
  }
}

extension Problem {
  static let draining = Problem(
    status: 503, code: "draining", title: "Draining",
    detail: "This replica is about to stop. Try again; another one answers.", retryAfter: 1)

  fileprivate static func bodyTooLarge(_ limit: ByteCount) -> Problem {
    Problem(
      status: 413, code: "body_too_large", title: "Body too large",
      detail: "The body has more than \(limit.bytes) bytes.")
  }
}
