// Made by Tests/BigCommerceTests/vectors/make_endpoint_rows.py, which explains the form.

extension EndpointTable {
  static let families = """
    cart store_cart store_cart_read_only | store_cart
    channel_listings store_channel_listings store_channel_listings_read_only | \
    store_channel_listings
    channel_settings store_channel_settings store_channel_settings_read_only | \
    store_channel_settings
    checkout store_checkout store_checkout_read_only | store_checkout
    checkout+content_checkout store_checkout store_checkout_read_only store_content_checkout \
    store_content_checkout_read_only | store_checkout store_content_checkout
    content store_v2_content store_v2_content_read_only | store_v2_content
    content_checkout+content store_content_checkout store_content_checkout_read_only \
    store_v2_content store_v2_content_read_only | store_content_checkout store_v2_content
    customers store_v2_customers store_v2_customers_read_only | store_v2_customers
    customers:modify store_v2_customers | store_v2_customers
    deployments store_infrastructure_deployments_create_preview \
    store_infrastructure_deployments_manage store_infrastructure_deployments_read_only | \
    store_infrastructure_deployments_create_preview store_infrastructure_deployments_manage
    fulfillment_methods store_fulfillment_methods_manage store_fulfillment_methods_read_only | \
    store_fulfillment_methods_manage
    information store_v2_information store_v2_information_read_only | store_v2_information
    inventory store_inventory store_inventory_read_only | store_inventory
    locations store_locations store_locations_read_only | store_locations
    logs store_infrastructure_logs_read_only | -
    marketing store_v2_marketing store_v2_marketing_read_only | store_v2_marketing
    order_fulfillment store_order_fulfillment_manage store_order_fulfillment_read_only | \
    store_order_fulfillment_manage
    orders store_v2_orders store_v2_orders_read_only | store_v2_orders
    orders+transactions store_v2_orders store_v2_orders_read_only store_v2_transactions \
    store_v2_transactions_read_only | store_v2_orders store_v2_transactions
    payments_access_token_create store_payments_access_token_create | \
    store_payments_access_token_create
    payments_methods store_payments_methods_read | -
    products store_v2_products store_v2_products_read_only | store_v2_products
    products:readable store_v2_products store_v2_products_read_only | store_v2_products \
    store_v2_products_read_only
    projects store_infrastructure_projects_manage store_infrastructure_projects_read_only | \
    store_infrastructure_projects_manage
    sites store_sites store_sites_read_only | store_sites
    stored_payment_instruments store_stored_payment_instruments \
    store_stored_payment_instruments_read_only | store_stored_payment_instruments
    storefront_api store_storefront_api | store_storefront_api
    storefront_api_customer_impersonation store_storefront_api_customer_impersonation | \
    store_storefront_api_customer_impersonation
    system_logs store_logs_read_only | -
    themes store_themes_manage store_themes_read_only | store_themes_manage
    transactions store_v2_transactions store_v2_transactions_read_only | store_v2_transactions
    """

  static let rowsV2 = """
    /v2/banners GPD marketing s
    /v2/banners/count G marketing s
    /v2/banners/{id} GUD marketing s
    /v2/blog/posts GPD content s
    /v2/blog/posts/count G content s
    /v2/blog/posts/{id} GUD content s
    /v2/blog/tags G content s
    /v2/brands GPD products i
    /v2/brands/count G products i
    /v2/brands/{brand_id} GUD products i
    /v2/categories GPD products i
    /v2/categories/count G products i
    /v2/categories/{id} GUD products i
    /v2/countries G information s
    /v2/countries/count G information s
    /v2/countries/states G information s
    /v2/countries/states/count G information s
    /v2/countries/{country_id}/states G information s
    /v2/countries/{country_id}/states/count G information s
    /v2/countries/{country_id}/states/{id} G information s
    /v2/countries/{id} G information s
    /v2/coupons GPD marketing s
    /v2/coupons/count G marketing s
    /v2/coupons/{id} UD marketing s
    /v2/currencies GPD information s
    /v2/currencies/{id} GUD information s
    /v2/customer_groups GPD customers s
    /v2/customer_groups/count G customers s
    /v2/customer_groups/{customer_group_id} GUD customers s
    /v2/customers GPD customers s
    /v2/customers/count G customers s
    /v2/customers/{customer_id} GUD customers s
    /v2/customers/{customer_id}/addresses GPD customers s
    /v2/customers/{customer_id}/addresses/count G customers s
    /v2/customers/{customer_id}/addresses/{customer_address_id} GUD customers s
    /v2/customers/{customer_id}/validate P customers s
    /v2/gift_certificates GPD marketing s
    /v2/gift_certificates/{id} GUD marketing s
    /v2/hooks P * i
    /v2/option_sets GPD products i
    /v2/option_sets/count G products i
    /v2/option_sets/{id} GUD products i
    /v2/option_sets/{option_set_id}/options GPD products i
    /v2/option_sets/{option_set_id}/options/{id} GUD products i
    /v2/options/{option_id}/values GPD products i
    /v2/options/{option_id}/values/{id} GUD products i
    /v2/order_statuses G orders s
    /v2/order_statuses/{status_id} G orders s
    /v2/orders GPD orders s
    /v2/orders/count G orders s
    /v2/orders/{order_id} GUD orders s
    /v2/orders/{order_id}/consignments G orders s
    /v2/orders/{order_id}/consignments/shipping/{shipping_consignment_id}/shipping_quotes G orders \
    s
    /v2/orders/{order_id}/coupons G orders s
    /v2/orders/{order_id}/fees G orders s
    /v2/orders/{order_id}/messages G orders s
    /v2/orders/{order_id}/products G orders s
    /v2/orders/{order_id}/products/{product_id} G orders s
    /v2/orders/{order_id}/shipments GPD orders s
    /v2/orders/{order_id}/shipments/count G orders s
    /v2/orders/{order_id}/shipments/{shipment_id} GUD orders s
    /v2/orders/{order_id}/shipping_addresses G orders s
    /v2/orders/{order_id}/shipping_addresses/{id} GU orders s
    /v2/orders/{order_id}/shipping_addresses/{shipping_address_id}/shipping_quotes G orders s
    /v2/orders/{order_id}/taxes G orders s
    /v2/pages GP content s
    /v2/pages/{id} GUD content s
    /v2/payments/methods G payments_methods s
    /v2/products GPD products i
    /v2/products/count G products i
    /v2/products/custom_fields/count G products d
    /v2/products/discount_rules/count G products i
    /v2/products/images/count G products i
    /v2/products/rules/count G products i
    /v2/products/skus/count G products i
    /v2/products/videos/count G products i
    /v2/products/{id} GUD products i
    /v2/products/{id}/reviews G products i
    /v2/products/{product_id}/custom_fields GPD products d
    /v2/products/{product_id}/custom_fields/{id} GUD products d
    /v2/products/{product_id}/discount_rules GPD products i
    /v2/products/{product_id}/discount_rules/{id} GUD products i
    /v2/products/{product_id}/images GPD products i
    /v2/products/{product_id}/images/{id} GUD products i
    /v2/products/{product_id}/options G products i
    /v2/products/{product_id}/options/{id} G products i
    /v2/products/{product_id}/reviews PD products i
    /v2/products/{product_id}/reviews/{id} GUD products i
    /v2/products/{product_id}/rules GPD products i
    /v2/products/{product_id}/rules/{id} GUD products i
    /v2/products/{product_id}/skus GPD products i
    /v2/products/{product_id}/skus/{id} GUD products i
    /v2/products/{product_id}/videos GPD products i
    /v2/products/{product_id}/videos/{id} GUD products i
    /v2/redirects GPD content s
    /v2/redirects/count G content s
    /v2/redirects/{id} GUD content s
    /v2/shipping/carrier/connection PUD information s
    /v2/shipping/zones GP information s
    /v2/shipping/zones/{id} GUD information s
    /v2/shipping/zones/{zone_id}/methods GP information s
    /v2/shipping/zones/{zone_id}/methods/{method_id} GUD information s
    /v2/store G information s
    /v2/tax_classes G information s
    /v2/tax_classes/{id} G information s
    /v2/time G information t
    """
}
