import Base
import BigCommerce
import HTTPTypes

/// Acts on ticked stores: asked for, confirmed, done with progress.
struct StoreActs: Sendable {
  /// Below `stores`; the underscore keeps it apart from apps' names.
  private static let path = "stores/_acts"

  let jobs: BulkJobs

  var routes: [ConsoleRoute] {
    [
      ConsoleRoute(.post, Self.path, ability: .storesWrite) { request throws(Problem) in
        try await act(request)
      },
      ConsoleRoute(.get, Self.path + "/{id}", ability: .storesWrite) { request throws(Problem) in
        progress(request)
      },
    ]
  }

  /// Asks first; what the page that asks sends is done.
  private func act(_ request: ConsoleRequest) async throws(Problem) -> ConsoleAnswer {
    let form = request.form
    guard let act = form["act"].flatMap({ StoreAct(rawValue: $0) }), StoreAct.ofMany.contains(act)
    else { throw .badRequest("Choose what to do with the ticked stores.") }
    let named = form.all("store")
    let stores = named.compactMap { StoreName($0) }
    guard stores.count == named.count, stores.count <= 1000 else {
      throw .badRequest("At most 1000 stores at once, each as app/hash.")
    }
    guard !stores.isEmpty else {
      return .redirect("/console/stores", ConsoleNotice(.bad, "No store was ticked."))
    }
    let label = form["label"]
    if act.needsLabel { _ = try StoreLabel(checking: label ?? "") }
    guard form["confirmed"] == "yes" else { return ask(act, stores, label) }
    return try await begin(act, stores, label, request)
  }

  private func ask(_ act: StoreAct, _ stores: [StoreName], _ label: String?) -> ConsoleAnswer {
    var fields = [("act", act.rawValue), ("confirmed", "yes")]
    if act.needsLabel, let label { fields.append(("label", label)) }
    fields += stores.map { ("store", $0.text) }
    let words = act.needsLabel ? "\(act.title) “\(label ?? "")”" : act.title
    let title = "\(words): \(ConsoleWords.count(stores.count, "store"))?"
    return .page(
      ConsolePage(
        "confirm", title: title,
        [
          "heading": title, "lead": act.consequence, "target": "/console/" + Self.path,
          "fields": fields.map { ["fieldName": $0.0, "fieldValue": $0.1] as PageValues },
          "affected": stores.map(\.text), "hasAffected": true, "isDangerous": act.isDangerous,
          "button": act.title, "back": "/console/stores",
        ]))
  }

  private func begin(
    _ act: StoreAct, _ stores: [StoreName], _ label: String?, _ request: ConsoleRequest
  ) async throws(Problem) -> ConsoleAnswer {
    try await request.record(
      "store_\(act.rawValue)", [.init("stores", .integer(stores.count))])
    let api = request.api
    let id = jobs.begin(
      "\(act.title): \(ConsoleWords.count(stores.count, "store"))", of: request.owner, on: stores,
      request.requestID
    ) { store in
      do throws(Problem) {
        let (word, isGood) = try await act.perform(on: store, label: label, api)
        return BulkResult(store: store, word: word, isGood: isGood)
      } catch {
        return BulkResult(
          store: store, word: "\(error.title): \(error.detail)", isGood: false)
      }
    }
    guard let id else {
      return .redirect(
        "/console/stores",
        ConsoleNotice(.bad, "Too many acts are under way; nothing was begun. Try again shortly."))
    }
    return .redirect("/console/\(Self.path)/\(id)", nil)
  }

  private func progress(_ request: ConsoleRequest) -> ConsoleAnswer {
    guard let progress = jobs.progress(request.arguments[0], of: request.owner) else {
      return .page(
        ConsolePage("progress", title: "An act on stores", refresh: 2, ["isUnknown": true]))
    }
    let done = progress.results.count
    let bad = progress.results.filter { !$0.isGood }
    var values: PageValues = [
      "heading": progress.title, "done": done, "total": progress.total,
      "actID": progress.requestID.text,
      "isDone": progress.isDone, "isRunning": !progress.isDone, "goodCount": done - bad.count,
      "badCount": bad.count, "hasBad": !bad.isEmpty,
      "bad": bad.prefix(200).map(Self.row), "hasMoreBad": bad.count > 200,
    ]
    values["results"] = progress.results.suffix(50).reversed().map(Self.row)
    return .page(
      ConsolePage(
        "progress", title: progress.title, refresh: progress.isDone ? nil : 2, values))
  }

  private static func row(_ result: BulkResult) -> PageValues {
    [
      "named": result.store.text, "href": result.store.path, "outcome": result.word,
      "isGood": result.isGood,
    ]
  }
}

extension ConsoleRequest {
  /// Who this is, for what only they may see.
  fileprivate var owner: String { session.keyID + "\n" + (session.user ?? "") }
}
