package import Base
package import BigCommerce

/// A request to a webhook's address, as it arrived.
package struct WebhookRequest: Sendable {
  package let app: AppName
  package let pathToken: String
  /// The values of the header that carries the address's secret.
  package let secrets: [String]
  package let signature: WebhookSignatureHeaders
  package let body: [UInt8]
  package let requestID: RequestID
  /// Its trace; learns which store it is from.
  package let notes: RequestNotes

  package init(
    app: AppName, pathToken: String, secrets: [String], signature: WebhookSignatureHeaders,
    body: [UInt8], requestID: RequestID, notes: RequestNotes
  ) {
    self.app = app
    self.pathToken = pathToken
    self.secrets = secrets
    self.signature = signature
    self.body = body
    self.requestID = requestID
    self.notes = notes
  }
}

/// What the sender is told.
package enum IntakeAnswer: Hashable, Sendable {
  /// It is durable, for the first time or again.
  case taken
  /// Nobody has that address.
  case unknownAddress
  /// It is not BigCommerce's; the word says what was wrong and goes to the log only.
  case forged(String)
  /// It could not be kept; the sender keeps it and comes again.
  case unavailable
}

/// How much the signature of a delivery counts.
package enum SignaturePolicy: String, CaseIterable, Sendable {
  /// Checked and written down; a delivery is taken whatever came of it.
  case observe
  /// Without a valid one it is forged.
  case enforce
  /// Not looked at.
  case off
}
