import Base
import BigCommerce
import Events
import Fields
import Gateway
import HTTPTypes
import Install
import Logging
import NIOCore
import NIOPosix
import Prometheus
import ServiceLifecycle
import TestSupport
import Upstream

@testable import Web

/// Answers calls as the test says.
struct StubGateway: GatewayResponding {
  let answer: @Sendable (GatewayRequest) async -> GatewayResponse

  func respond(to request: GatewayRequest) async -> GatewayResponse { await answer(request) }

  func begin(
    _ request: GatewayRequest, _ done: @escaping @Sendable (GatewayResponse) -> Void
  ) -> (any Cancellable)? {
    let task = Task {
      let answer = await respond(to: request)
      request.loop.execute { done(answer) }
    }
    return BegunTask(task: task)
  }

  private struct BegunTask: Cancellable {
    let task: Task<Void, Never>

    func cancel() { task.cancel() }
  }

  /// Says which target arrived and how long the body was.
  static let echo = StubGateway { request in
    var length = 0
    do {
      if let body = request.body {
        for try await buffer in body { length += buffer.readableBytes }
      }
    } catch {
      return .text("broken body", status: 400)
    }
    return .text("\(request.method) \(request.target) \(length)")
  }
}

extension GatewayResponse {
  static func text(_ text: String, status: Int = 200) -> GatewayResponse {
    GatewayResponse(
      status: status, headers: [.contentType: "text/plain"], body: .bytes(ByteBuffer(string: text)))
  }
}

/// Answers every callback with its kind.
struct StubCallbacks: CallbackHandling {
  var answer: CallbackAnswer = .page(
    MerchantPage(status: 200, kind: .connected(missingScopes: []), store: StoreHash("abc")))
  /// Told of every callback before it is answered.
  var seen: @Sendable (String, CallbackRequest) async -> Void = { _, _ in }

  func install(_ request: CallbackRequest) async -> CallbackAnswer {
    await seen("install", request)
    return answer
  }

  func load(_ request: CallbackRequest) async -> CallbackAnswer {
    await seen("load", request)
    return answer
  }

  func uninstall(_ request: CallbackRequest) async -> CallbackAnswer {
    await seen("uninstall", request)
    return .acknowledged
  }

  func removeUser(_ request: CallbackRequest) async -> CallbackAnswer {
    await seen("remove_user", request)
    return .acknowledged
  }
}

/// An intake that answers at once.
struct StubDeliveries: DeliveryTaking {
  let answer: @Sendable (WebhookRequest) -> IntakeAnswer

  init(_ answer: @escaping @Sendable (WebhookRequest) -> IntakeAnswer) { self.answer = answer }

  func take(_ request: WebhookRequest, _ done: @escaping @Sendable (IntakeAnswer) -> Void) {
    done(answer(request))
  }
}

/// Both listeners on free ports, for one test.
struct ListenerFixture {
  var limits: GuardLimits?
  /// Connections of both listeners together, and how many of them each is sure of.
  var connections: (total: Int, sure: Int)?
  var tls: TLSIdentity?
  var proxies = TrustedProxies.none
  var brand = Brand(name: "Test & app")
  var isReady = true
  var accessLog = AccessLog { _ in }
  let publicCounters = ListenerCounters()
  let internalCounters = ListenerCounters()
  var gateway = StubGateway.echo
  var callbacks = StubCallbacks()
  /// What comes of a webhook.
  var deliveries = StubDeliveries { _ in .unknownAddress }
  var routes: [APIRoute] = []
  /// Whether metrics and the description need no key.
  var pagesAreOpen = false
  var hasLane = true

  struct Running: Sendable {
    let publicPort: Int
    let internalPort: Int
    let draining: Draining
    let group: ServiceGroup
  }

  func run(_ test: @escaping @Sendable (Running) async throws -> Void) async throws {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let draining = Draining()
    let environment = ListenerEnvironment(
      loops: MultiThreadedEventLoopGroup.singleton, draining: draining,
      requestIDs: RequestIDSource(seed: 1), logger: logger, trustedProxies: proxies,
      accessLog: accessLog)
    let ports = AsyncStream.makeStream(of: (String, Int).self)
    let place = { (counters: ListenerCounters, other: ListenerCounters) in
      ListenerPlace(
        host: "127.0.0.1", port: 0, tls: tls, limits: limits,
        share: connections.map { ConnectionShare(total: $0.total, kept: $0.sure, other: other) },
        counters: counters, hasLane: hasLane)
    }
    let isReady = isReady
    let site = PublicSettings(
      installLinks: [.default: "https://login.bigcommerce.com/app/x/install"],
      aliases: ["/api/auth": .install],
      frameAncestors: ["https://*.mybigcommerce.com"], brand: brand)
    let api = APIRoutes(routes)
    let services: [any Service] = [
      try Listeners.publicListener(
        place(publicCounters, internalCounters), site, callbacks: callbacks, deliveries: deliveries,
        isReady: { isReady },
        in: environment
      ) { ports.continuation.yield(("public", $0)) },
      try Listeners.internalListener(
        place(internalCounters, publicCounters), gateway: gateway, api: api,
        authenticate: { headers in
          headers[.authorization] == "Bearer good"
            ? .success(
              APICaller(
                keyID: "k",
                grant: Grant(
                  app: nil, stores: .all, scopes: .all, abilities: Abilities([.operator]))))
            : .failure(
              Problem(status: 401, code: "key_invalid", title: "Key not valid", detail: "No key."))
        }, readiness: { isReady ? nil : "no database" },
        pages: try ServicePages(
          api.operations(with: nil), version: "1", areOpen: pagesAreOpen
        ) { [.gauge("up", "Up.", 1)] }, in: environment
      ) { ports.continuation.yield(("internal", $0)) },
    ]
    let group = ServiceGroup(services: services, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      var found: [String: Int] = [:]
      for await (name, port) in ports.stream {
        found[name] = port
        if found.count == 2 { break }
      }
      try await test(
        Running(
          publicPort: found["public"] ?? 0, internalPort: found["internal"] ?? 0,
          draining: draining, group: group))
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
    }
  }
}
