/// Every path of the API that the sandbox knows.
enum APIRoutes {
  static let all: [RouteTree.Route] = [
    StoreResource.routes, HooksResource.routes, ProductsResource.routes, VariantsResource.routes,
    ProductImagesResource.routes, BrandsResource.routes, CategoriesResource.routes,
    OrdersResource.routes, OrderPartsResource.routes, ShipmentsResource.routes,
    RefundsResource.routes, CustomersResource.routes, CustomerGroupsResource.routes,
    CartsResource.routes,
    InventoryResource.routes, ChannelsResource.routes,
  ].flatMap { $0 }
}
