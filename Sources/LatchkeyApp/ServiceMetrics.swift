import Base
import Events
import Gateway
import Install
import Linux
import Postgres
import Prometheus
import Spooling
import Upstream
import Web

/// Everything that `/metrics` shows, gathered when it is asked for.
struct ServiceMetrics: Sendable {
  let parts: Parts
  let database: Database
  let listeners: [(name: String, counters: ListenerCounters)]

  var families: [MetricFamily] {
    parts.gatewayMeter.families + parts.keyedMeter.families + Self.families(of: parts.admission)
      + parts.time.meter.families
      + Self.families(of: parts.directory.fleet(now: parts.time.clock.now()))
      + ListenerCounters.families(of: listeners) + parts.callbackOutcomes.families
      + parts.events.intakeMeter.families(waiting: parts.events.writer.waitingCount)
      + parts.events.backlog.families + parts.pushes.sender.families + state
      + Self.families(of: database.connectionCounts, limit: database.settings.connections)
      + parts.health.families + parts.webhooks.metrics + Self.process + [Self.build]
  }

  /// How up to date this replica is, and what it holds for the database.
  private var state: [MetricFamily] {
    [
      .counter(
        "latchkey_canary_verdicts_total", "What canaries of refused tokens came to.",
        by: "verdict", parts.watch.verdicts.points),
      .gauge(
        "latchkey_spool_records", "Records on disk that wait for the database.",
        (parts.spool?.pendingCount ?? 0) + (parts.events.spool?.pendingCount ?? 0)),
      .gauge(
        "latchkey_usage_cells", "Cells of usage that wait to be written.", parts.usage.cells),
      .counter(
        "latchkey_usage_lost_calls_total",
        "Calls that are not in the usage, because the database was away for too long.",
        parts.usage.lostCalls),
      .counter(
        "latchkey_usage_lost_failures_total",
        "Failed calls that no store's list of errors shows, because too many failed at once.",
        parts.usage.lostFailures),
      .gauge(
        "latchkey_directory_age_seconds",
        "Since the last good poll for changes of stores and keys; calls are refused after 5.",
        parts.directory.age?.inSeconds ?? .infinity),
    ]
  }

  private static func families(of admission: CallAdmission) -> [MetricFamily] {
    [
      .gauge(
        "latchkey_calls_held", "Calls that hold a place: waiting, under way, or streaming.",
        admission.held),
      .gauge("latchkey_calls_held_limit", "Calls that may hold a place.", admission.limit),
      .counter(
        "latchkey_overload_refusals_total", "Calls refused by who holds too many.", by: "holder",
        CallAdmission.Refusal.allCases.map { MetricPoint([$0.rawValue], admission.refused($0)) }),
    ]
  }

  static func families(of fleet: FleetStanding) -> [MetricFamily] {
    [
      MetricFamily(
        "latchkey_stores", .gauge, "Installations, by state.", by: ["state"],
        [
          MetricPoint(["active"], fleet.active), MetricPoint(["suspended"], fleet.suspended),
          MetricPoint(["revoked"], fleet.revoked), MetricPoint(["uninstalled"], fleet.uninstalled),
        ]),
      .gauge(
        "latchkey_stores_unreadable", "Installations whose token cannot be opened.",
        fleet.unreadable),
      .gauge(
        "latchkey_stores_governed", "Stores that are called or were within some minutes.",
        fleet.governed),
      .gauge(
        "latchkey_stores_stopped", "Stores whose calls stand still because their quota is spent.",
        fleet.stopped),
      MetricFamily(
        "latchkey_stores_broken", .gauge, "Stores with a breaker that is not closed.",
        by: ["breaker"],
        [MetricPoint(["open"], fleet.open), MetricPoint(["half_open"], fleet.halfOpen)]),
      .gauge(
        "latchkey_calls_in_flight", "Calls that wait for BigCommerce's answer.", fleet.inFlight),
      MetricFamily(
        "latchkey_calls_waiting", .gauge, "Calls that wait for a place in their store's quota.",
        by: ["priority"],
        [
          MetricPoint(["interactive"], fleet.waitingInteractive),
          MetricPoint(["bulk"], fleet.waitingBulk),
        ]),
    ]
  }

  private static func families(of pool: PoolCounts, limit: Int) -> [MetricFamily] {
    [
      .gauge("latchkey_postgres_connections_limit", "Connections that may be made.", limit),
      MetricFamily(
        "latchkey_postgres_connections", .gauge,
        "Connections, free (idle) and lent or being made (busy).", by: ["state"],
        [
          MetricPoint(["idle"], pool.idle), MetricPoint(["busy"], pool.connections - pool.idle),
        ]),
      .gauge("latchkey_postgres_waiting", "Those who wait for a connection.", pool.waiters),
      .counter(
        "latchkey_postgres_refusals_total", "Those who got no connection in time.", by: "reason",
        [
          MetricPoint(["overloaded"], pool.refusals.overloaded),
          MetricPoint(["unavailable"], pool.refusals.unavailable),
        ]),
    ]
  }

  /// Under the names that all of Prometheus' own clients use.
  private static var process: [MetricFamily] {
    // Without /proc there is nothing to show, and nothing else to be done about it.
    let usage = try? ProcessUsage.read()
    func family(
      _ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Double?
    ) -> MetricFamily {
      MetricFamily(name, kind, help, [MetricPoint([], value ?? .nan)])
    }
    return [
      family(
        "process_cpu_seconds_total", .counter, "User and system time of the process.",
        usage?.cpuSeconds),
      family(
        "process_resident_memory_bytes", .gauge, "Memory that is in use.",
        usage.map { Double($0.residentBytes) }),
      family(
        "process_virtual_memory_bytes", .gauge, "Address space that is in use.",
        usage.map { Double($0.virtualBytes) }),
      family(
        "process_open_fds", .gauge, "Open file descriptors.", usage.map { Double($0.descriptors) }),
      family(
        "process_max_fds", .gauge, "File descriptors that may be open.",
        usage.map { Double($0.descriptorsAllowed) }),
      family(
        "process_start_time_seconds", .gauge, "When the process was started, since 1970.",
        usage?.startedAt),
    ]
  }

  private static var build: MetricFamily {
    MetricFamily(
      "latchkey_build_info", .gauge, "Always 1; the label says what runs.", by: ["version"],
      [MetricPoint([Server.version], 1)])
  }
}
