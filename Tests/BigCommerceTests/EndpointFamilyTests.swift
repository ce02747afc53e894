import HTTPTypes
import Testing

@testable import BigCommerce

@Suite struct `Families of endpoints` {
  private let families = EndpointFamilies.shared

  @Test func `every rule can be read, and names an endpoint that there is`() {
    #expect(families.unreadableLines.isEmpty)
    #expect(families.rulePaths.count == 47)
    for (method, path) in families.rulePaths {
      #expect(EndpointTable.shared.rule(method: method, path: path) != nil, "\(method) \(path)")
    }
  }

  @Test(arguments: [
    (HTTPRequest.Method.put, "/v3/pricelists/records", "pricelist_upserts", 1),
    (.put, "/v3/pricelists/7/records?x=1", "pricelist_upserts", 1),
    (.get, "/v3/pricelists/7/records", "pricelist_reads", 10),
    (.get, "/v3/catalog/trees/1/categories", "category_trees", 1),
    (.head, "/v3/catalog/trees/1/categories", "category_trees", 1),
    (.put, "/v3/customers", "customer_updates", 3),
    (.post, "/v3/orders/5/payment_actions/refunds", "refunds", 1),
  ])
  func `a documented limit holds for its endpoint`(
    _ method: HTTPRequest.Method, _ path: String, _ name: String, _ limit: Int
  ) {
    let family = families.family(method: method, path: path[...])
    #expect(families.name(of: family.id) == name)
    #expect(family.documentedLimit == limit)
  }

  @Test(arguments: [
    (HTTPRequest.Method.get, "/v3/catalog/products/7?limit=1", "v3/catalog reads"),
    (.put, "/v3/catalog/products/7", "v3/catalog writes"),
    (.patch, "/v2/orders/7.json", "v2/orders writes"),
    (.post, "/graphql", "graphql writes"), (.get, "/v3/unheard/of", "other reads"),
    (.delete, "/v2", "other writes"), (.get, "", "other reads"),
  ])
  func `all others are taken together by area, reads and writes apart`(
    _ method: HTTPRequest.Method, _ path: String, _ name: String
  ) {
    let family = families.family(method: method, path: path[...])
    #expect(families.name(of: family.id) == name)
    #expect(family.documentedLimit == nil)
    #expect(family.isWrite == name.hasSuffix("writes"))
  }
}
