/// Every path of the API that the sandbox knows.
enum APIRoutes {
  static let all: [RouteTree.Route] =
    StoreResource.routes + HooksResource.routes + ProductsResource.routes
}
