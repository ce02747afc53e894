import Base
import Storage

/// Where a page of installations ends; opaque to callers.
struct StoreCursor {
  let installation: InstallationID

  init(_ installation: InstallationID) {
    self.installation = installation
  }

  init(_ text: String) throws(Problem) {
    let parts = Base64.decodeURL(text).map { String(decoding: $0, as: UTF8.self) }?
      .split(separator: "/")
    guard let parts, parts.count == 2, let app = AppName(parts[0]), let store = StoreHash(parts[1])
    else { throw .badRequest("The query parameter after takes the next of the previous answer.") }
    installation = InstallationID(app: app, store: store)
  }

  var text: String { Base64.encodeURL(Array(installation.description.utf8)) }
}

/// Where a page of installations ends in an order; opaque to callers, and good for that order only.
struct OrderedStoreCursor {
  let place: StorePlace
  private let order: StoreOrder

  init(_ place: StorePlace, _ order: StoreOrder) {
    self.place = place
    self.order = order
  }

  init(_ text: String, _ order: StoreOrder) throws(Problem) {
    let parts = Base64.decodeURL(text).map { String(decoding: $0, as: UTF8.self) }?
      .split(separator: "\n", omittingEmptySubsequences: false)
    guard let parts, parts.count == 4, parts[0] == order.text, let app = AppName(parts[2]),
      let store = StoreHash(parts[3]), !parts[1].contains("\0")
    else {
      throw .badRequest(
        "The query parameter after takes the next of the previous answer, with the same sort.")
    }
    self.order = order
    place = StorePlace(
      key: String(parts[1]), installation: InstallationID(app: app, store: store))
  }

  var text: String {
    let parts = [
      order.text, place.key, place.installation.app.text, place.installation.store.text,
    ]
    return Base64.encodeURL(Array(parts.joined(separator: "\n").utf8))
  }
}

extension StoreOrder {
  /// The words of `sort`: a key, or `-` and a key for the reverse.
  static let words = Key.allCases.flatMap { [$0.rawValue, "-" + $0.rawValue] }

  /// The order that a query asks for; `nil` when it asks for none.
  init?(_ query: APIQuery) throws(Problem) {
    guard let text = query["sort"] else { return nil }
    let isDescending = text.hasPrefix("-")
    guard let key = Key(rawValue: isDescending ? String(text.dropFirst()) : text) else {
      throw .badRequest("The query parameter sort is one of \(Self.words.joined(separator: ", ")).")
    }
    self.init(key, isDescending: isDescending)
  }

  var text: String { (isDescending ? "-" : "") + key.rawValue }
}
