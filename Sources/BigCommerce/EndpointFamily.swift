import Fields
package import HTTPTypes

/// Calls of a store that are metered together, and how many of them may run at a time.
///
/// BigCommerce meters per store and endpoint. Endpoints with a documented limit are families of
/// their own; all others are taken together by area (`/v3/catalog`, `/v2/orders` …), reads and
/// writes apart.
package struct EndpointFamily: Hashable, Sendable {
  /// Names a family in this process; the same in every store.
  package struct ID: Hashable, Sendable {
    package let number: UInt8
  }

  package let id: ID
  /// How many calls of it a store takes at a time by BigCommerce's documents; `nil` where they say
  /// nothing.
  package let documentedLimit: Int?
  /// Whether its calls change anything.
  package let isWrite: Bool
}

extension HTTPRequest.Method {
  /// Whether a call with it may change something.
  package var isWrite: Bool { self != .get && self != .head }
}

/// BigCommerce's families of endpoints: rules as data.
package final class EndpointFamilies: Sendable {
  private let tree: SegmentTree
  private let ruled: [EndpointFamily]
  private let names: [String]
  private let areas: [String]
  /// The endpoints with a documented limit.
  let rulePaths: [(HTTPRequest.Method, String)]
  /// Lines of the source text that could not be read; a test holds it empty.
  let unreadableLines: [String]

  /// The families of this build.
  package static let shared = EndpointFamilies(rules: rules, areas: areas)

  /// The family of a method on a path relative to the store, such as `PUT` and
  /// `/v3/pricelists/records`.
  package func family(method: HTTPRequest.Method, path: Substring) -> EndpointFamily {
    if let column = EndpointTable.column(of: method), let node = tree.find(path.utf8.span),
      let place = tree.place(node: node, column: column)
    {
      return ruled[place]
    }
    let number = ruled.count + area(of: path.utf8.span) * 2 + (method.isWrite ? 1 : 0)
    return EndpointFamily(
      id: .init(number: UInt8(number)), documentedLimit: nil, isWrite: method.isWrite)
  }

  /// A word for people and metrics; one of a fixed set.
  package func name(of id: EndpointFamily.ID) -> String {
    names.indices.contains(Int(id.number)) ? names[Int(id.number)] : "other"
  }

  /// Which area the first two segments name, `v3/catalog` of `/v3/catalog/products?limit=1`, counted
  /// from 1; 0 for any other.
  private func area(of path: Span<UInt8>) -> Int {
    var slashes = 0
    var end = 0
    while end < path.count, path[end] != UInt8(ascii: "?") {
      if path[end] == UInt8(ascii: "/") {
        slashes += 1
        if slashes == 3 { break }
      }
      end += 1
    }
    let name = path.extracting(min(1, end)..<end)
    for (place, area) in areas.enumerated() where area.utf8.count == name.count {
      if name.isText(area) { return place + 1 }
    }
    return 0
  }

  /// Reads lines of the form `name limit METHOD path [METHOD path …]`, and areas line by line.
  init(rules: String, areas: String) {
    var families: [EndpointFamily] = []
    var names: [String] = []
    var entries: [SegmentTree.Entry] = []
    var unreadable: [String] = []
    var paths: [(HTTPRequest.Method, String)] = []
    for line in rules.split(separator: "\n") {
      var words = line.split(separator: " ")[...]
      guard let name = words.popFirst(), let limit = words.popFirst().flatMap({ Int($0) }),
        limit > 0, !words.isEmpty, words.count.isMultiple(of: 2)
      else {
        unreadable.append(String(line))
        continue
      }
      let place = families.count
      let isWrite = words.first != "GET"
      families.append(
        EndpointFamily(
          id: .init(number: UInt8(place)), documentedLimit: limit, isWrite: isWrite))
      names.append(String(name))
      while let method = words.popFirst(), let path = words.popFirst() {
        guard let method = HTTPRequest.Method(String(method)),
          let column = EndpointTable.column(of: method)
        else {
          unreadable.append(String(line))
          break
        }
        paths.append((method, String(path)))
        var columns: [Int?] = [nil, nil, nil, nil]
        columns[column] = place
        entries.append(.init(path: path, columns: columns))
      }
    }
    let lines = areas.split(separator: "\n")
    for area in ["other"] + lines { names += ["\(area) reads", "\(area) writes"] }
    tree = SegmentTree(entries)
    ruled = families
    self.names = names
    self.areas = lines.map(String.init)
    unreadableLines = unreadable
    rulePaths = paths
  }

  /// Documented limits of calls at a time, per store.
  ///
  /// - Source: the OpenAPI descriptions of each endpoint; PLATFORM 6.3 and 5.7. Where two
  ///   descriptions of one operation differ (upserts of price lists: one, or two), the lower holds.
  ///   Refunds are to follow one another per order, and the order of parallel absolute adjustments
  ///   is undefined: both go one at a time per store.
  private static let rules = """
    pricelist_upserts 1 PUT /v3/pricelists/records PUT /v3/pricelists/{id}/records
    pricelist_creates 10 POST /v3/pricelists/records POST /v3/pricelists/{id}/records
    pricelist_deletes 1 DELETE /v3/pricelists/{id}
    pricelist_reads 10 GET /v3/pricelists/{id}/records
    pricelist_variant_reads 40 GET /v3/pricelists/{id}/records/{variant}
    pricelist_record_reads 50 GET /v3/pricelists/{id}/records/{variant}/{currency}
    pricelist_record_updates 40 PUT /v3/pricelists/{id}/records/{variant}/{currency}
    pricelist_record_deletes 25 DELETE /v3/pricelists/{id}/records/{variant}/{currency}
    pricelist_assignments 25 PUT /v3/pricelists/{id}/assignments
    category_trees 1 GET /v3/catalog/trees/{id}/categories
    category_list 40 GET /v3/catalog/categories
    category_reads 40 GET /v3/catalog/categories/{id}
    category_updates 40 PUT /v3/catalog/categories/{id}
    category_deletes 40 DELETE /v3/catalog/categories/{id}
    channel_assignments 1 PUT /v3/catalog/products/channel-assignments
    customer_updates 3 PUT /v3/customers
    customer_address_creates 10 POST /v3/customers/addresses
    customer_address_updates 3 PUT /v3/customers/addresses
    customer_attribute_creates 3 POST /v3/customers/attributes
    customer_attribute_updates 3 PUT /v3/customers/attributes
    customer_attribute_values 3 PUT /v3/customers/attribute-values
    customer_form_fields 10 PUT /v3/customers/form-field-values
    customer_group_list 40 GET /v2/customer_groups
    customer_group_creates 40 POST /v2/customer_groups
    customer_group_deletes 40 DELETE /v2/customer_groups/{id}
    segment_creates 10 POST /v3/segments
    segment_updates 10 PUT /v3/segments
    segment_members 10 POST /v3/segments/{id}/shopper-profiles
    location_creates 50 POST /v3/inventory/locations
    location_reads 50 GET /v3/inventory/locations
    location_updates 50 PUT /v3/inventory/locations
    absolute_adjustments 1 PUT /v3/inventory/adjustments/absolute
    promotion_list 40 GET /v3/promotions
    promotion_creates 40 POST /v3/promotions
    promotion_batch_deletes 40 DELETE /v3/promotions
    promotion_reads 40 GET /v3/promotions/{id}
    promotion_updates 40 PUT /v3/promotions/{id}
    promotion_deletes 40 DELETE /v3/promotions/{id}
    coupon_code_reads 10 GET /v3/promotions/{id}/codes
    coupon_code_creates 40 POST /v3/promotions/{id}/codes
    coupon_code_deletes 40 DELETE /v3/promotions/{id}/codes
    coupon_code_generation 10 POST /v3/promotions/{id}/codegen
    refunds 1 POST /v3/orders/{id}/payment_actions/refunds POST /v3/orders/payment_actions/refunds
    pricing 50 POST /v3/pricing/products
    """

  private static let areas = """
    graphql
    v2/blog
    v2/brands
    v2/categories
    v2/coupons
    v2/customer_groups
    v2/customers
    v2/orders
    v2/products
    v2/shipping
    v2/store
    v3/carts
    v3/catalog
    v3/channels
    v3/checkouts
    v3/content
    v3/customers
    v3/hooks
    v3/inventory
    v3/orders
    v3/payments
    v3/pricelists
    v3/promotions
    v3/settings
    v3/shipping
    v3/sites
    v3/storefront
    v3/tax
    v3/themes
    """
}
