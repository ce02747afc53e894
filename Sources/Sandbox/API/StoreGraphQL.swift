import Base

/// `POST /graphql` of one store.
struct StoreGraphQL {
  let store: Store
  let request: SandboxRequest

  func respond() throws(APIFailure) -> SandboxResponse {
    throw .noRoute
  }
}
