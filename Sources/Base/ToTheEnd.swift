/// Runs `body` to its end even when the client goes away: what it does must not stop half-way.
package func toTheEnd<Result: Sendable>(
  _ body: @escaping @Sendable () async -> Result
) async -> Result {
  // Not structured: a child task would be cancelled with its parent.
  await Task { await body() }.value
}
