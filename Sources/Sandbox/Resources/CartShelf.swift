import Base
import OrderedCollections

/// Carts by their UUID; the oldest go when there are too many.
struct CartShelf: Sendable {
  private static let limit = 5000
  private var carts: OrderedDictionary<String, JSONValue> = [:]

  subscript(_ id: String) -> JSONValue? { carts[id] }

  mutating func keep(_ cart: JSONValue, id: String) {
    if carts[id] == nil, carts.count >= CartShelf.limit { carts.removeFirst() }
    carts[id] = cart
  }

  @discardableResult
  mutating func remove(_ id: String) -> JSONValue? { carts.removeValue(forKey: id) }
}
