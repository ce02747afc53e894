import Foundation
import Testing

@testable import Web

extension Web.Operation {
  /// Every operation of the internal listener.
  static let all: [Web.Operation] =
    APIRoutes([]).operations(with: nil) + [
      .streamEvents, .listEvents, .listNewestEvents, .showEvent, .replayEvents, .listStores,
      .showStore, .labelStore, .importStore, .importStores, .verifyStore, .suspendStore,
      .resumeStore, .deleteStore, .listKeys, .createKey, .revokeKey, .rotateKey, .redeemTicket,
      .listDeliveries, .showDelivery, .replayDelivery, .listSubscriptions, .createSubscription,
      .showSubscription, .changeSubscription, .deleteSubscription, .rotateSubscription,
      .enableSubscription, .disableSubscription, .pingSubscription, .listPushes,
      .replayToSubscription, .discardOfSubscription, .listWebhooks, .planWebhooks, .applyWebhooks,
      .rotateWebhook, .listRepairs, .repairWebhooks, .showDrift, .showUsage, .listAudit, .showFleet,
      .showFlow, .listStoreErrors,
    ]
}

@Suite struct `The list of operations` {
  @Test func `forgets none that the sources describe`() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources/Web/API")
    var described: Set<String> = []
    for file in try FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil)
    {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: #/ let (\w+) = Operation\(/#) {
        described.insert(String(match.1))
      }
    }
    let known = Set(Web.Operation.all.map(\.id))
    #expect(described.subtracting(known).isEmpty)
    #expect(described.count > 40)
  }
}
