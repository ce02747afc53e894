import Base
import BigCommerce
import Curl
import Events
import Gateway
import Install
import Linux
import Logging
import NIOCore
import NIOPosix
import Postgres
import ServiceLifecycle
import Storage
import Upstream
import Vault
import Web

/// `latchkey serve`: the parts meet, run, and end in order.
package enum Server {
  package static let version = "0.1.0"

  /// From the signal until the calls that are still under way are ended; the rest of the 35 s that
  /// DESIGN 3.6 allows is for closing connections and the private PostgreSQL.
  private static let gracefulExit = Duration.seconds(28)

  /// Serves until SIGTERM or SIGINT, then drains.
  ///
  /// Throws before a port opens when something cannot work: a ``StartProblem``, or the error of a
  /// part.
  package static func run(_ settings: Settings, log: LogOutput) async throws {
    let logger = log.logger("latchkey")
    try await DatabaseSession.with(
      settings.core, logger: logger, threads: System.coreCount
    ) { session in
      try await StartChecks(session: session, settings: settings, logger: logger).run()
      let budget = try budget(settings, logger)
      let client = try CurlClient(
        reactor: session.reactor,
        settings: settings.platform.curl(connections: budget.upstream / System.coreCount))
      // Of its own, because all its requests ask the outbound policy.
      let pushes = try CurlClient(
        reactor: session.reactor,
        settings: settings.platform.curl(connections: budget.pushes / System.coreCount))
      do {
        try await serve(settings, session, (client, pushes), budget, log, logger)
      } catch {
        await client.shutdown()
        await pushes.shutdown()
        throw error
      }
      await client.shutdown()
      await pushes.shutdown()
    }
  }

  private static func budget(
    _ settings: Settings, _ logger: Logger
  ) throws(StartProblem) -> DescriptorBudget {
    let descriptors = Int(clamping: ProcessHardening.state().descriptors)
    guard descriptors >= DescriptorBudget.least else {
      throw StartProblem(
        "only \(descriptors) descriptors are allowed: raise the limit (LimitNOFILE, ulimit -n)")
    }
    let budget = DescriptorBudget(
      descriptors: descriptors, calls: settings.calls,
      databaseConnections: settings.core.database.connections, loops: System.coreCount)
    let level = budget.calls < settings.calls ? Logger.Level.warning : .info
    logger.log(
      level: level, "what this replica holds at most",
      metadata: [
        "calls": "\(budget.calls)", "connections": "\(budget.connections)",
        "connections_per_listener": "\(budget.connectionsOfListener)",
        "connections_sure_per_listener": "\(budget.sureOfListener)",
        "descriptors": "\(descriptors)",
      ])
    return budget
  }

  private static func serve(
    _ settings: Settings, _ session: DatabaseSession,
    _ clients: (calls: CurlClient, pushes: CurlClient), _ budget: DescriptorBudget,
    _ log: LogOutput, _ logger: Logger
  ) async throws {
    let parts = try Parts(
      settings: settings, session: session, client: clients.calls,
      pushes: PushParts(settings, session, clients.pushes, budget, logger),
      admission: CallAdmission(limit: budget.calls), logger: logger)
    // The snapshot is complete before anybody can ask.
    try await parts.directory.refreshNow()
    try await parts.webhooks.directory.refreshNow()
    let draining = Draining()
    let listeners = try Wiring(
      settings: settings, session: session, client: clients.calls, parts: parts, budget: budget,
      draining: draining, accessLog: log.accessLog("latchkey"), logger: logger
    ).listeners()
    var configuration = ServiceGroupConfiguration(
      services: (parts.services + listeners).map { .init(service: $0) }, logger: logger)
    configuration.maximumGracefulShutdownDuration = gracefulExit - settings.drainDelay
    let group = ServiceGroup(configuration: configuration)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask {
        do {
          try await group.run()
        } catch  where draining.isDraining && error is CancellationError {
          logger.warning("what was still under way was ended: it took too long")
        }
      }
      tasks.addTask {
        await Shutdown(delay: settings.drainDelay, draining: draining, logger: logger).wait()
        await group.triggerGracefulShutdown()
      }
      // The group ends by the signal, or because a part failed; either ends the wait for signals.
      try await tasks.next()
      if !draining.isDraining { tasks.cancelAll() }
      try await tasks.waitForAll()
    }
    logger.notice("stopped")
  }
}

/// What the machine offers.
enum System {
  /// One event loop per processor that both the container's quota and the process's affinity leave
  /// us.
  static var coreCount: Int {
    max(1, min(NIOCore.System.coreCount, Processors.usable ?? .max))
  }
}

extension PlatformSettings {
  /// With so many connections that each loop may keep.
  func curl(connections: Int) -> CurlSettings {
    var settings = CurlSettings()
    settings.caFile = caFile
    settings.maxConnectionsPerLoop = min(settings.maxConnectionsPerLoop, max(1, connections))
    return settings
  }
}
