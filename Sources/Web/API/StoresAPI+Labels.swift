import Base
import Postgres
import Storage

extension StoresAPI {
  /// `PATCH /v1/stores/{hash}`: sets a store's labels, or adds and removes some of them.
  func label(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let installation = try request.installation()
    let change = try LabelChange(request.object())
    let result = try await stored { () throws(PostgresError) in
      try await states.label(
        installation, change, act: Act(actor: request.caller.keyID, requestID: request.requestID))
    }
    switch result {
    case .changed, .unchanged:
      await changed()
      return APIAnswer(try await document(of: installation))
    case .unknown: throw .unknown("store")
    case .tooMany: throw .tooManyLabels
    }
  }
}

extension LabelChange {
  /// Reads `{"labels": […]}`, or `{"add_labels": […], "remove_labels": […]}` of which one may be
  /// left out.
  fileprivate init(_ body: APIBody) throws(Problem) {
    let all = try StoreLabel.set("labels", body)
    let added = try StoreLabel.all("add_labels", body)
    let removed = try StoreLabel.all("remove_labels", body)
    switch (all, added, removed) {
    case (let wanted?, nil, nil): self = .replace(wanted)
    case (nil, nil, nil), (.some, _, _):
      throw .badRequest("Give either labels, or add_labels and remove_labels; each is a list.")
    case (nil, let added, let removed):
      let (adding, removing) = (added ?? [], removed ?? [])
      if let both = adding.intersection(removing).min() {
        throw .badRequest("The label \(both) is both in add_labels and in remove_labels.")
      }
      self = .edit(adding: adding, removing: removing)
    }
  }
}

extension StoreLabel {
  /// Reads a list of labels that a store may have together; `nil` when there is none.
  /// - Throws: 400 for what is no label, or too many.
  static func set(_ name: String, _ body: APIBody) throws(Problem) -> Set<StoreLabel>? {
    let labels = try all(name, body)
    guard labels?.count ?? 0 <= mostPerStore else { throw .tooManyLabels }
    return labels
  }

  /// Reads a list of labels, however many; `nil` when there is none.
  /// - Throws: 400 for what is no label.
  fileprivate static func all(
    _ name: String, _ body: APIBody
  ) throws(Problem) -> Set<StoreLabel>? {
    guard let texts = try body.optionalTexts(name) else { return nil }
    var labels: Set<StoreLabel> = []
    for text in texts { labels.insert(try StoreLabel(checking: text)) }
    return labels
  }

  /// Reads a label of a call.
  /// - Throws: 400 for what is none.
  init(checking text: String) throws(Problem) {
    guard let label = StoreLabel(text) else {
      throw .badRequest(
        "\(text.debugDescription) is no label: 1 to 32 of a-z, 0-9 and -, the first not -.")
    }
    self = label
  }
}

extension Problem {
  fileprivate static let tooManyLabels = badRequest(
    "A store has at most \(StoreLabel.mostPerStore) labels. Nothing was changed.")
}
