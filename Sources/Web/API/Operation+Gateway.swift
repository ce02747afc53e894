import Base
import BigCommerce
import Gateway
import HTTPTypes
import Upstream

extension Operation {
  /// Every operation of the gateway: the six methods on v2 and v3, and GraphQL.
  static let ofGateway: [Operation] = [
    resource(.get, "getResource", "Reads", "v2", "store"),
    resource(.head, "headResource", "Reads the head of", "v2", "store"),
    resource(.post, "postResource", "Creates", "v2", "orders", ["status_id": 1]),
    resource(
      .put, "putResource", "Replaces or changes", "v3", "catalog/products/77", ["name": "Fern"]),
    resource(.patch, "patchResource", "Changes", "v3", "settings/catalog", ["hide": true]),
    resource(.delete, "deleteResource", "Deletes", "v3", "catalog/products/77"),
    Operation(
      .post, "/stores/{store_hash}/graphql", "postGraphQL", .gateway, "Asks a store by GraphQL",
      "What the query may do is BigCommerce's to decide.", access: .ability(.proxyGraphQL),
      parameters: [.storeHash] + Parameter.controls,
      body: .any(["query": "query { store { metadata { name } } }"]), answers: [answer],
      problems: problems + ofWrites),
  ]

  private static func resource(
    _ method: HTTPRequest.Method, _ id: String, _ verb: String, _ version: String, _ path: String,
    _ body: JSONValue? = nil
  ) -> Operation {
    Operation(
      method, "/stores/{store_hash}/{version}/{path}", id, .gateway, "\(verb) something of a store",
      """
      Path, query and body pass byte for byte, and so does what BigCommerce answers. The query is BigCommerce's. Which \
      scopes the method and path need is known; endpoints that no table lists need the ability `proxy:unlisted`.
      """, access: .ability(.proxy),
      parameters: [
        .storeHash,
        .path(
          "version", .word(["v2", "v3"]).with(example: .string(version)), "BigCommerce's API."),
        .path(
          "path", .text(words: "path", example: path),
          "The rest of BigCommerce's path, with its slashes, such as `catalog/products/7`."),
      ] + Parameter.controls, body: body.map { .any($0) }, answers: [answer],
      problems: [.get, .head].contains(method) ? problems : problems + ofWrites)
  }

  private static let answer = Answer(
    status: 200,
    about: """
      What BigCommerce answers; with `Latchkey-Dry-Run: true`, what would be decided. With \
      `Latchkey-Idempotent-Replay: true`, it is the answer to the first request with this `Idempotency-Key`.
      """,
    content: .any)

  private static let problems: [ProblemCode] = [
    .badTarget, .badControl, .bodyIncomplete, .scopeMissing, .storeUnknown, .storeUninstalled,
    .storeSuspended, .storeRevoked, .bodyTooLarge, .rateLimited, .quotaExhausted, .tokenUnreadable,
    .upstreamUnreachable, .upstreamBroken, .upstreamTimeout, .draining,
  ]

  /// What an `Idempotency-Key` adds.
  private static let ofWrites: [ProblemCode] = [
    .bodyNotReplayable, .idempotencyConflict, .idempotencyInFlight, .idempotencyUnknown,
    .idempotencyNotKept, .idempotencyFull,
  ]
}

extension Parameter {
  fileprivate static let controls: [Parameter] = [
    .header(
      "Latchkey-Timeout", .integer(Controls.timeouts),
      "Seconds until the answer's head, repetitions included; 30 when left out."),
    .header(
      "Latchkey-Max-Wait", .integer(Controls.waits),
      "Seconds that the call may wait for quota; 10 when left out."),
    .header(
      "Latchkey-Priority", .word(CallPriority.self),
      "`bulk` never takes the last fifth of the quota; `interactive` when left out."),
    .header(
      "Latchkey-Retry", .integer(Controls.repetitions),
      "How often the call may be repeated; 2 when left out."),
    .header(
      "Latchkey-Dry-Run", .word(["true", "false"]), "Whether to tell what would be decided only."),
    .header("Latchkey-App", .appName, "The app that is meant, for keys of all apps."),
    .header(
      "Idempotency-Key", .text(1...255, pattern: "^[!-~]+$", words: "text", example: "order-118"),
      """
      A write with it is sent once, however often it is repeated within 24 hours: repetitions get the first answer. Of \
      one caller and one store; reads do not heed it. The body has a known length, at most 1 MiB.
      """),
  ]
}
