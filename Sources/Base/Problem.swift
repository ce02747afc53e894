/// An error answer of ours: BigCommerce's V3 error shape, which is also RFC 9457
/// (`application/problem+json`).
package struct Problem: Error, Hashable, Sendable {
  /// The HTTP status.
  package let status: Int
  /// A fixed word that programs decide on, such as `key_invalid`.
  package let code: String
  /// The fixed, short name of the problem for people.
  package let title: String
  /// What happened and what to do about it; never a secret.
  package let detail: String
  /// Fields of the case, such as `required` or `retry_after`.
  package let fields: [JSONValue.Member]
  /// Whole seconds for the `Retry-After` header, if waiting helps.
  package let retryAfter: Int?

  package init(
    status: Int, code: String, title: String, detail: String, fields: [JSONValue.Member] = [],
    retryAfter: Int? = nil
  ) {
    self.status = status
    self.code = code
    self.title = title
    self.detail = detail
    self.fields = fields
    self.retryAfter = retryAfter
  }

  /// The value of `Allow`, of a problem with the field `allowed`.
  package var allowedMethods: String? {
    fields.first { $0.name == "allowed" }?.value.array?.compactMap(\.string)
      .joined(separator: ", ")
  }

  /// The body that goes out, in UTF-8.
  ///
  /// The request ID is repeated in it, so that a screenshot is enough to find the log line.
  package func encoded(requestID: RequestID) -> [UInt8] {
    let members: [JSONValue.Member] = [
      .init("status", .integer(status)),
      .init("title", .string(title)),
      .init("type", .string("urn:latchkey:problem:\(code)")),
      .init("detail", .string(detail)),
      .init("code", .string(code)),
      .init("request_id", .string(requestID.text)),
    ]
    return JSONValue.object(members + fields).encoded()
  }
}
