package import Base
package import Logging
import Storage

/// Takes BigCommerce's deliveries: what is genuine is durable before it is acknowledged.
package struct Intake: Sendable {
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

  /// ``IntakeAnswer/taken`` only once the delivery is durable.
  package func take(_ request: WebhookRequest) async -> IntakeAnswer {
    let answer = await answer(to: request)
    meter.count(answer)
    return answer
  }

  private func answer(to request: WebhookRequest) async -> IntakeAnswer {
    let address: WebhookAddress
    switch await addresses.find(request.app, request.pathToken) {
    case .found(let found): address = found
    case .unknown: return .unknownAddress
    case .cannotTell: return .unavailable
    }
    let delivery: Delivery
    do throws(DeliveryInspector.Forgery) {
      delivery = try inspector.inspect(request, at: address, now: clock.now())
    } catch {
      logger.notice(
        "a delivery is forged",
        metadata: [
          "app": "\(request.app)", "store_hash": "\(address.installation.store)",
          "reason": "\(error.reason)", "request_id": "\(request.requestID)",
        ])
      return .forged(error.reason)
    }
    if case .quarantined(let reason, _) = delivery.fate {
      logger.info(
        "a delivery is quarantined",
        metadata: [
          "app": "\(request.app)", "store_hash": "\(address.installation.store)",
          "reason": "\(reason)", "request_id": "\(request.requestID)",
        ])
    }
    return await writer.write(delivery) ? .taken : .unavailable
  }
}
