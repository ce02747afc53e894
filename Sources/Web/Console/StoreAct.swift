import Base
import HTTPTypes

/// What an operator may do to a store in the console.
enum StoreAct: String, CaseIterable, Sendable {
  case verify, suspend, resume, label, unlabel, delete, purge

  /// Those that may be done to many stores at once; what cannot be undone is done to one.
  static let ofMany: [StoreAct] = [.verify, .suspend, .resume, .label, .unlabel]

  var title: String {
    switch self {
    case .verify: "Verify"
    case .suspend: "Suspend"
    case .resume: "Resume"
    case .label: "Add label"
    case .unlabel: "Remove label"
    case .delete: "Delete"
    case .purge: "Purge"
    }
  }

  /// What it means, for the page that asks.
  var consequence: String {
    switch self {
    case .verify:
      "One real call is made with each store’s token. A refused token leads to the state revoked once that is confirmed."
    case .suspend: "Calls to the stores are refused with 423 until they are resumed. Webhooks rest."
    case .resume:
      "Calls are allowed again, and a canary call finds out whether the token still works."
    case .label: "Keys whose grant names the label can use the stores from then on."
    case .unlabel: "Keys whose grant names the label lose the stores at once."
    case .delete:
      "The token is destroyed and calls end. BigCommerce is told nothing: the app stays in the merchant’s control panel until it is uninstalled there. Only the merchant can bring it back, by installing again."
    case .purge:
      "The token is destroyed, and so are the store’s users, labels, events and deliveries. This cannot be undone."
    }
  }

  var isDangerous: Bool { [.suspend, .delete, .purge].contains(self) }
  /// Whether it is asked for twice, the second time by typing the store's hash.
  var isFinal: Bool { [.delete, .purge].contains(self) }
  var needsLabel: Bool { [.label, .unlabel].contains(self) }

  /// Does it through the API.
  ///
  /// - Returns: what came of it, and whether that is good.
  func perform(
    on store: StoreName, label: String?, _ api: ConsoleAPI
  ) async throws(Problem) -> (word: String, isGood: Bool) {
    switch self {
    case .verify:
      let answer = try await api.call(.post, store.resource + "/verify", store.query)
      let verdict = answer?["verdict"]?.string ?? "unclear"
      return ("token \(verdict)", verdict == "accepted")
    case .suspend, .resume:
      let answer = try await api.call(.post, store.resource + "/\(rawValue)", store.query)
      return (answer?["state"]?.string ?? "", true)
    case .label, .unlabel:
      guard let label = StoreLabel(label ?? "") else {
        throw .badRequest("A label is 1 to 32 of a-z, 0-9 and -, the first not -.")
      }
      let field = self == .label ? "add_labels" : "remove_labels"
      let body = JSONValue.object([.init(field, .array([.string(label.text)]))])
      try await api.call(.patch, store.resource, store.query, body: body.encoded())
      return (self == .label ? "labelled \(label.text)" : "no longer \(label.text)", true)
    case .delete, .purge:
      let query = store.query + (self == .purge ? [("purge", "true")] : [])
      try await api.call(.delete, store.resource, query)
      return (self == .purge ? "purged" : "deleted", true)
    }
  }
}
