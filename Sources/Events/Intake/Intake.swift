package import Base
package import Logging
import Storage

/// Takes deliveries; what the public listener needs of the intake.
package protocol DeliveryTaking: Sendable {
  /// Takes one without a task where that can be; `done` is called once, on any thread, with
  /// ``IntakeAnswer/taken`` only once the delivery is durable.
  func take(_ request: WebhookRequest, _ done: @escaping @Sendable (IntakeAnswer) -> Void)
}

extension DeliveryTaking {
  /// ``IntakeAnswer/taken`` only once the delivery is durable.
  package func take(_ request: WebhookRequest) async -> IntakeAnswer {
    await withCheckedContinuation { done in take(request) { done.resume(returning: $0) } }
  }
}

/// Takes BigCommerce's deliveries: what is genuine is durable before it is acknowledged.
package struct Intake: DeliveryTaking {
  private let addresses: any WebhookAddressFinding
  private let inspector: DeliveryInspector
  private let writer: DeliveryWriter
  private let meter: IntakeMeter
  private let clock: WallClock
  private let logger: Logger

  package init(
    addresses: any WebhookAddressFinding, inspector: DeliveryInspector, writer: DeliveryWriter,
    meter: IntakeMeter, clock: WallClock = .system, logger: Logger
  ) {
    self.addresses = addresses
    self.inspector = inspector
    self.writer = writer
    self.meter = meter
    self.clock = clock
    self.logger = logger
  }

  package func take(_ request: WebhookRequest, _ done: @escaping @Sendable (IntakeAnswer) -> Void) {
    let counted = { @Sendable [meter] (answer: IntakeAnswer) in
      meter.count(answer)
      done(answer)
    }
    if let known = addresses.known(request.app, request.pathToken) {
      take(request, known, counted)
    } else {
      // Not structured: what is on its way is taken, also when the sender has gone.
      Task(priority: .high) {
        take(request, await addresses.find(request.app, request.pathToken), counted)
      }
    }
  }

  private func take(
    _ request: WebhookRequest, _ lookup: WebhookAddressLookup,
    _ done: @escaping @Sendable (IntakeAnswer) -> Void
  ) {
    switch lookup {
    case .unknown: done(.unknownAddress)
    case .cannotTell: done(.unavailable)
    case .found(let address):
      request.notes.note(address.installation)
      switch inspect(request, at: address) {
      case .failure(let forgery): done(.forged(forgery.reason))
      case .success(let delivery): writer.write(delivery) { done($0 ? .taken : .unavailable) }
      }
    }
  }

  private func inspect(
    _ request: WebhookRequest, at address: WebhookAddress
  ) -> Result<Delivery, DeliveryInspector.Forgery> {
    let delivery: Delivery
    do throws(DeliveryInspector.Forgery) {
      delivery = try inspector.inspect(request, at: address, now: clock.now())
    } catch {
      logger.notice(
        "a delivery is forged",
        metadata: [
          "app": "\(request.app)", "store_hash": "\(address.installation.store)",
          "reason": "\(error.reason)", "request_id": "\(request.requestID)",
          "trace_id": "\(request.notes.trace.traceID)",
        ])
      return .failure(error)
    }
    if case .quarantined(let reason, _) = delivery.fate {
      logger.info(
        "a delivery is quarantined",
        metadata: [
          "app": "\(request.app)", "store_hash": "\(address.installation.store)",
          "reason": "\(reason)", "request_id": "\(request.requestID)",
          "trace_id": "\(request.notes.trace.traceID)",
        ])
    }
    return .success(delivery)
  }
}
