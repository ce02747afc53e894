import Base
import BigCommerce
import HTTPTypes
import Postgres
package import Storage

/// `/v1/stores/{store_hash}/errors`: which calls of a store failed of late.
package struct StoreErrorsAPI: Sendable {
  let failures: CallFailures
  let listing: StoreListing

  package init(failures: CallFailures, listing: StoreListing) {
    self.failures = failures
    self.listing = listing
  }

  package var routes: [APIRoute] {
    [APIRoute(.listStoreErrors) { request throws(Problem) in try await list(request) }]
  }

  private func list(_ request: APIRequest) async throws(Problem) -> APIAnswer {
    let installation = try request.installation()
    let found = try await stored { () throws(PostgresError) in
      try await failures.read(of: installation)
    }
    if found.isEmpty {
      let record = try await stored { () throws(PostgresError) in
        try await listing.find(installation)
      }
      guard record != nil else { throw .unknown("store") }
    }
    return .page(found.map(\.document), next: nil)
  }
}

extension CallFailure {
  fileprivate var document: JSONValue {
    [
      "at": .time(call.at), "request_id": .string(call.requestID), "caller": .string(call.key),
      "caller_name": callerName.map { .string($0) } ?? .null, "method": .string(call.method),
      "path": .string(call.path), "status": .integer(call.status),
      "code": call.code.map { .string($0) } ?? .null, "outcome": .string(call.outcome.rawValue),
      "duration_ms": .integer(call.duration.inMilliseconds),
    ]
  }
}
