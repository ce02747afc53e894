import Base
import NIOCore
import Synchronization

/// Everything that the stand-in for BigCommerce knows: apps, stores, grants, faults, journal.
final class Platform: Sendable {
  let configuration: SandboxConfiguration
  let accounts: AccountBook
  let stores: Mutex<StoreShelf>
  let faults = FaultList()
  let journal: RequestJournal
  let webhooks: WebhookOffice
  let text: RandomText

  /// Webhooks are sent on the loop.
  init(_ configuration: SandboxConfiguration, loop: any EventLoop) {
    self.configuration = configuration
    let accounts = AccountBook(apps: configuration.apps)
    self.accounts = accounts
    webhooks = WebhookOffice(configuration, loop: loop) { [weak accounts] clientID in
      // Weak: accounts know stores, stores the office.
      accounts?.withLock { $0.app(clientID)?.clientSecret }
    }
    stores = Mutex(StoreShelf(configuration: configuration, webhooks: webhooks))
    journal = RequestJournal(limit: configuration.journalLength)
    text = RandomText(configuration.random)
  }

  var now: Timestamp { configuration.clock.now() }

  /// Back to the start: seeded stores, no codes, tokens, faults or recordings; apps stay.
  func reset() {
    accounts.withLock { $0 = Accounts(apps: $0.apps) }
    stores.withLock { $0 = StoreShelf(configuration: configuration, webhooks: webhooks) }
    webhooks.reset()
    faults.removeAll()
    journal.clear()
  }

  func store(_ hash: String) -> Store? {
    stores.withLock { $0[hash] }
  }

  func app(_ clientID: String) -> AppRegistration? {
    accounts.withLock { $0.app(clientID) }
  }
}

/// The stores by hash, in the order in which they were made.
struct StoreShelf {
  private var byHash: [String: Store] = [:]
  private(set) var hashes: [String] = []
  private let configuration: SandboxConfiguration
  private let webhooks: WebhookOffice

  init(configuration: SandboxConfiguration, webhooks: WebhookOffice) {
    self.configuration = configuration
    self.webhooks = webhooks
    for number in 1...max(1, configuration.stores) {
      _ = add(hash: StoreShelf.hash(number), name: nil)
    }
  }

  subscript(_ hash: String) -> Store? { byHash[hash] }

  var all: [Store] { hashes.compactMap { byHash[$0] } }

  /// `nil` when there is one with that hash, or as many as the sandbox keeps.
  mutating func add(hash: String?, name: String?) -> Store? {
    let hash = hash ?? StoreShelf.hash(hashes.count + 1)
    guard byHash[hash] == nil, hashes.count < 100_000 else { return nil }
    let store = Store(
      hash: hash, number: hashes.count + 1, name: name, configuration: configuration,
      webhooks: webhooks)
    byHash[hash] = store
    hashes.append(hash)
    return store
  }

  /// `demo1234` is the first, `store0002` the second.
  private static func hash(_ number: Int) -> String {
    let digits = String(number)
    return number == 1
      ? "demo1234" : "store" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
  }
}

/// Random words for codes, tokens and identifiers.
struct RandomText: Sendable {
  private let random: RandomSource
  private static let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)

  init(_ random: RandomSource) {
    self.random = random
  }

  /// Lower-case letters and digits.
  func word(_ length: Int) -> String {
    String(
      decoding: random.bytes(length).map { RandomText.alphabet[Int($0) % 36] }, as: UTF8.self)
  }

  /// A version 4 UUID.
  func uuid() -> String {
    var bytes = random.bytes(16)
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    let hex = Array(Hex.encode(bytes).utf8)
    let cuts = [0, 8, 12, 16, 20, 32]
    return zip(cuts, cuts.dropFirst())
      .map { String(decoding: hex[$0..<$1], as: UTF8.self) }.joined(separator: "-")
  }
}
