import Base
import Synchronization

/// One store: who runs it, what its quota is, and what it holds.
final class Store: Sendable {
  let hash: String
  /// Counts from 1 in the order of creation; seeds differ by it.
  let number: Int
  private let data: Mutex<StoreData>
  private let products: Int
  private let clock: WallClock
  private let webhooks: WebhookOffice
  private let quotaState: Mutex<Quota>
  private let conditionState = Mutex(StoreCondition.open)

  init(
    hash: String, number: Int, name: String?, configuration: SandboxConfiguration,
    webhooks: WebhookOffice
  ) {
    self.hash = hash
    self.number = number
    self.webhooks = webhooks
    clock = configuration.clock
    products = configuration.products
    data = Mutex(StoreData(profile: StoreProfile(hash: hash, number: number, name: name)))
    quotaState = Mutex(
      Quota(limit: configuration.quotaLimit, window: configuration.quotaWindow))
  }

  var context: String { "stores/\(hash)" }

  /// Runs with the store's contents, which are seeded by the first use; webhooks hear of what
  /// happens meanwhile.
  func withData<Result: Sendable, Failure: Error>(
    _ body: (inout StoreData) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try data.withLock { data throws(Failure) -> Result in
      if !data.isSeeded { Seed(hash: hash, products: products).fill(&data) }
      defer {
        if !data.happenings.isEmpty {
          webhooks.post(data.takeOccurrences(of: self, at: clock.now()))
        }
      }
      return try body(&data)
    }
  }

  /// The store's description and people, without seeding a catalogue.
  var profile: StoreProfile { data.withLock { $0.profile } }

  /// Runs with the store's webhooks and what belongs to them, without seeding a catalogue.
  func withHooks<Result: Sendable>(_ body: (inout StoreData) -> Result) -> Result {
    data.withLock { body(&$0) }
  }

  /// Every webhook, whoever made it, without seeding a catalogue.
  var hooks: [JSONValue] { data.withLock { $0.hooks.rows } }

  /// Counts one call.
  func takeFromQuota(at now: Timestamp) -> QuotaView { quotaState.withLock { $0.take(at: now) } }

  /// What became of the calls of the windows that are over.
  func quotaHistory(at now: Timestamp) -> [QuotaUse] {
    quotaState.withLock { quota in
      quota.advance(to: now)
      return quota.history
    }
  }

  var condition: StoreCondition {
    get { conditionState.withLock { $0 } }
    set { conditionState.withLock { $0 = newValue } }
  }

  var quota: Quota {
    get { quotaState.withLock { $0 } }
    set { quotaState.withLock { $0 = newValue } }
  }
}

/// What a store as a whole is like, beside its tokens and its quota.
enum StoreCondition: String, CaseIterable, Sendable {
  case open
  /// Suspended, unpaid or under maintenance: every call is 503, without a word of when to come
  /// again.
  case suspended
  /// The owner who installed the apps may do nothing any more: every call is 403.
  case ownerGone = "owner_gone"
  /// A limit of the plan is reached: every call is 507.
  case planLimit = "plan_limit"

  /// How calls are answered, unless as usual.
  var refusal: APIFailure? {
    switch self {
    case .open: nil
    case .suspended: .unavailable
    case .ownerGone: .missingScope
    case .planLimit: .full
    }
  }
}

/// A store's name and people.
struct StoreProfile: Sendable {
  let hash: String
  let number: Int
  let name: String
  var users: [StoreUser]

  init(hash: String, number: Int, name: String?) {
    self.hash = hash
    self.number = number
    self.name =
      name ?? StoreProfile.names[(number - 1) % StoreProfile.names.count]
      + (number > StoreProfile.names.count ? " \(number)" : "")
    let base = Int64(number) * 10
    users = [
      StoreUser(
        id: 9_000_000 + base, name: "Olivia Owner", email: "owner@\(hash).example",
        locale: "en-US", isOwner: true),
      StoreUser(
        id: 9_000_001 + base, name: "Sam Staff", email: "staff@\(hash).example",
        locale: "en-GB", isOwner: false),
      StoreUser(
        id: 9_000_002 + base, name: "Uta Unger", email: "uta@\(hash).example",
        locale: "de-DE", isOwner: false),
    ]
  }

  private static let names = [
    "Fern & Fjord", "Copper Kettle", "Northwind Cycles", "Paper Lantern", "Tidepool Toys",
    "Juniper Press", "Granite Outdoor", "Velvet Fox",
  ]

  var owner: StoreUser {
    users.first { $0.isOwner }
      ?? StoreUser(
        id: 9_000_000, name: "Olivia Owner", email: "owner@\(hash).example", locale: "en-US",
        isOwner: true)
  }

  func user(_ id: Int64) -> StoreUser? { users.first { $0.id == id } }
}

/// What a store holds.
struct StoreData: Sendable {
  var profile: StoreProfile
  var isSeeded = false
  var products = Table(firstID: 101)
  var variants = Table(firstID: 1001)
  var images = Table(firstID: 301)
  var brands = Table(firstID: 31)
  var categories = Table(firstID: 21)
  var orders = Table(firstID: 100)
  var orderProducts = Table(firstID: 1)
  var shipments = Table(firstID: 1)
  var refunds = Table(firstID: 1)
  var customers = Table(firstID: 1)
  var addresses = Table(firstID: 1)
  var customerGroups = Table(firstID: 1)
  var channels = Table(firstID: 1)
  var hooks = Table(firstID: 20_000_001) {
    didSet {
      knownHookTargets = nil
      if hookUse.count > hooks.rows.count + 100 {
        hookUse = hookUse.filter { hooks[$0.key] != nil }
      }
    }
  }
  var knownHookTargets: [HookTarget]?
  var hookUse: [Int64: HookUse] = [:]
  /// What has happened and was not told yet.
  var happenings: [Happening] = []
  var hookEmails: [String] = []
  var carts = CartShelf()
  var answers = AnswerCache()

  init(profile: StoreProfile) {
    self.profile = profile
  }
}
