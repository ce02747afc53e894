import Base
import NIOHTTP1

/// `/v3/carts`.
enum CartsResource {
  static let routes: [RouteTree.Route] = [
    .init("POST", "/v3/carts", create),
    .init("GET", "/v3/carts/{cart}") { data, call throws(APIFailure) in
      .data(including(call, try find(data, call)))
    },
    .init("PUT", "/v3/carts/{cart}", update), .init("DELETE", "/v3/carts/{cart}", delete),
    .init("POST", "/v3/carts/{cart}/items", addItems),
    .init("PUT", "/v3/carts/{cart}/items/{item}", updateItem),
    .init("DELETE", "/v3/carts/{cart}/items/{item}", deleteItem),
    .init("POST", "/v3/carts/{cart}/redirect_urls") { data, call throws(APIFailure) in
      .data(urls(try find(data, call), call), status: .created)
    },
  ]

  private static func create(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let body = try call.object()
    let lines = try lines(body, data, call)
    let cart = CartDocument.make(
      id: call.text.uuid(), customer: body["customer_id"]?.integer ?? 0,
      channel: body["channel_id"]?.integer ?? 1, lines: lines, at: call.now)
    happened("created", cart, &data)
    for line in lines { lineHappened("created", line, of: cart, &data) }
    return keep(cart, &data, call, status: .created)
  }

  private static func update(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let cart = try find(data, call)
    let body = try call.object()
    try checkVersion(body, cart)
    guard let customer = body["customer_id"]?.integer else {
      throw .invalid("customer_id", "error.path.missing.")
    }
    return keep(
      cart.setting("customer_id", .integer(customer)), &data, call, status: .created)
  }

  private static func delete(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let cart = try find(data, call)
    data.carts.remove(String(call.parameters[0]))
    happened("deleted", cart, &data)
    return .noContent
  }

  private static func addItems(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let cart = try find(data, call)
    let body = try call.object()
    try checkVersion(body, cart)
    let new = try lines(body, data, call)
    let all = CartDocument.lines(cart) + new
    for line in new { lineHappened("created", line, of: cart, &data) }
    return keep(
      CartDocument.setting(cart, lines: all, at: call.now), &data, call, status: .created)
  }

  private static func updateItem(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let cart = try find(data, call)
    let body = try call.object()
    try checkVersion(body, cart)
    guard let quantity = body["line_item"]?["quantity"]?.integer, quantity > 0 else {
      throw .invalid("line_item.quantity", "error.path.missing.")
    }
    var lines = CartDocument.lines(cart)
    let index = try position(in: lines, call)
    lines[index] = CartDocument.setting(lines[index], quantity: quantity)
    lineHappened("updated", lines[index], of: cart, &data)
    return keep(
      CartDocument.setting(cart, lines: lines, at: call.now), &data, call, status: .ok)
  }

  /// A cart goes with its last item.
  private static func deleteItem(_ data: inout StoreData, _ call: APICall) throws(APIFailure)
    -> APIAnswer
  {
    let cart = try find(data, call)
    var lines = CartDocument.lines(cart)
    let line = lines.remove(at: try position(in: lines, call))
    lineHappened("deleted", line, of: cart, &data)
    guard !lines.isEmpty else {
      data.carts.remove(String(call.parameters[0]))
      happened("deleted", cart, &data)
      return .noContent
    }
    return keep(
      CartDocument.setting(cart, lines: lines, at: call.now), &data, call, status: .ok)
  }

  private static func keep(
    _ cart: JSONValue, _ data: inout StoreData, _ call: APICall, status: HTTPResponseStatus
  ) -> APIAnswer {
    data.carts.keep(cart, id: cart["id"]?.string ?? "")
    happened("updated", cart, &data)
    return .data(including(call, cart), status: status)
  }

  private static func happened(_ what: String, _ cart: JSONValue, _ data: inout StoreData) {
    data.happened("cart", what, cart["id"], channel: cart["channel_id"])
  }

  private static func lineHappened(
    _ what: String, _ line: JSONValue, of cart: JSONValue, _ data: inout StoreData
  ) {
    let id = line["id"] ?? .null
    let cartID = cart["id"] ?? .null
    data.happen(
      "store/cart/lineItem/\(what)", ["type": "cart_line_item", "id": id, "cartId": cartID])
    data.happen(
      "store/channel/\(cart["channel_id"]?.text ?? "1")/cart/lineItem/\(what)",
      ["cart_line_item_id": id, "cart_id": cartID])
  }

  private static func find(_ data: StoreData, _ call: APICall) throws(APIFailure) -> JSONValue {
    guard let cart = data.carts[String(call.parameters[0])] else {
      throw .notFound("The cart was not found.")
    }
    return cart
  }

  private static func position(
    in lines: [JSONValue], _ call: APICall
  ) throws(APIFailure) -> Int {
    let index = lines.firstIndex { $0["id"]?.string == String(call.parameters[1]) }
    guard let index else { throw .notFound("The cart item was not found.") }
    return index
  }

  /// Optimistic locking: a `version` that is not the cart's is a conflict.
  private static func checkVersion(_ body: JSONValue, _ cart: JSONValue) throws(APIFailure) {
    guard let version = body["version"]?.integer, version != cart["version"]?.integer else {
      return
    }
    throw .conflict("The cart has changed in the meantime", [.init("version", "mismatch")])
  }

  private static func lines(
    _ body: JSONValue, _ data: StoreData, _ call: APICall
  ) throws(APIFailure) -> [JSONValue] {
    guard let items = body["line_items"]?.array, !items.isEmpty else {
      throw .invalid("line_items", "error.path.missing.")
    }
    var lines: [JSONValue] = []
    for (index, item) in items.enumerated() {
      guard let id = item["product_id"]?.integer, let product = data.products[id] else {
        throw .invalid("line_items.\(index).product_id", "The product was not found")
      }
      guard let quantity = item["quantity"]?.integer, quantity > 0 else {
        throw .invalid("line_items.\(index).quantity", "error.path.missing.")
      }
      let variant = (item["variant_id"] ?? product["base_variant_id"])?.integer
        .flatMap { data.variants[$0] }
      guard let variant, variant["product_id"]?.integer == id else {
        throw .invalid("line_items.\(index).variant_id", "The variant was not found")
      }
      lines.append(
        CartDocument.line(
          id: call.text.uuid(), product: product, variant: variant, quantity: quantity,
          store: call.store))
    }
    return lines
  }

  private static func including(_ call: APICall, _ cart: JSONValue) -> JSONValue {
    call.query["include"]?.contains("redirect_urls") == true
      ? cart.setting("redirect_urls", urls(cart, call)) : cart
  }

  private static func urls(_ cart: JSONValue, _ call: APICall) -> JSONValue {
    let base = "https://\(call.store).example"
    let id = cart["id"]?.string ?? ""
    return [
      "cart_url": .string("\(base)/cart.php?action=load&id=\(id)"),
      "checkout_url": .string("\(base)/cart.php?action=loadInCheckout&id=\(id)"),
      "embedded_checkout_url": .string(
        "\(base)/cart.php?embedded=1&action=loadInCheckout&id=\(id)"),
    ]
  }
}
