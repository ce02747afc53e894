import Base

/// `/v2/store` and `/v2/time`.
enum StoreResource {
  static let routes: [RouteTree.Route] = [
    .init("GET", "/v2/store") { data, call in .bare(document(data.profile)) },
    .init("GET", "/v2/time") { _, call in
      var answer = APIAnswer.bare(["time": .integer(call.now.seconds)])
      answer.isCacheable = false
      return answer
    },
  ]

  static func document(_ profile: StoreProfile) -> JSONValue {
    let hash = profile.hash
    let owner = profile.owner
    let names = owner.name.split(separator: " ").map(String.init)
    return .object(
      [
        .init("id", .string(hash)), .init("account_uuid", .string(accountUUID(profile))),
        .init("domain", .string("\(hash).example")),
        .init("secure_url", .string("https://\(hash).example")),
        .init("control_panel_base_url", .string("https://store-\(hash).mybigcommerce.com")),
        .init("status", "live"), .init("name", .string(profile.name)),
        .init("first_name", .string(names.first ?? "")),
        .init("last_name", .string(names.last ?? "")), .init("address", "11305 Four Points Drive"),
        .init("country", "United States"), .init("country_code", "US"),
        .init("infrastructure_region", "us-central1"), .init("phone", "+1 512 555 0100"),
        .init("admin_email", .string(owner.email)),
        .init("order_email", .string("orders@\(hash).example")), .init("favicon_url", ""),
      ] + settings(profile))
  }

  private static func settings(_ profile: StoreProfile) -> [JSONValue.Member] {
    [
      .init(
        "timezone",
        [
          "name": "America/Chicago", "raw_offset": -21600, "dst_offset": -18000,
          "dst_correction": true,
          "date_format": [
            "display": "M jS Y", "export": "M jS Y", "extended_display": "M jS Y @ g:i A",
          ],
        ]), .init("language", "en"), .init("currency", "USD"), .init("currency_symbol", "$"),
      .init("decimal_separator", "."), .init("thousands_separator", ","),
      .init("decimal_places", 2), .init("currency_symbol_location", "left"),
      .init("weight_units", "Ounces"), .init("dimension_units", "Inches"),
      .init("dimension_decimal_places", 2), .init("dimension_decimal_token", "."),
      .init("dimension_thousands_token", ","), .init("plan_name", "Standard"),
      .init("plan_level", "Standard"), .init("plan_is_trial", false), .init("industry", "Other"),
      .init("logo", ["url": .string("https://\(profile.hash).example/logo.png")]),
      .init("is_price_entered_with_tax", false),
      .init("store_id", .integer(1_000_000 + profile.number)), .init("default_channel_id", 1),
      .init("default_site_id", 1000), .init("active_comparison_modules", []),
      .init(
        "features",
        [
          "stencil_enabled": true, "sitewidehttps_enabled": true, "facebook_catalog_id": "",
          "checkout_type": "optimized", "wishlists_enabled": true,
          "graphql_storefront_api_enabled": true, "shopper_consent_tracking_enabled": false,
          "multi_storefront_enabled": true,
          "storefront_limits": ["active": 3, "total_including_inactive": 15],
        ]),
    ]
  }

  /// The merchant's account; not the developer's of the token answer.
  private static func accountUUID(_ profile: StoreProfile) -> String {
    let digits = String(profile.number, radix: 16)
    return "5f6c1d2e-7a3b-4c4d-8e5f-" + String(repeating: "0", count: 12 - digits.utf8.count)
      + digits
  }
}
