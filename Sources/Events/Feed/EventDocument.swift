package import Base
package import Storage

/// An event as callers see it, in the feed, in the stream and in what is pushed.
package enum EventDocument {
  package static func json(for event: EventRecord) -> JSONValue {
    .object([
      .init("id", .string(event.id)),
      .init("type", .string(event.type)),
      .init("app", .string(event.app.text)),
      .init("store_hash", event.store.map { .string($0.text) } ?? .null),
      .init("origin", .string(event.origin)),
      .init("synthetic", event.synthetic.map { .string($0) } ?? .null),
      .init("occurred_at", .string(event.occurredAt.description)),
      .init("recorded_at", .string(event.recordedAt.description)),
      .init("data", event.data),
    ])
  }
}
