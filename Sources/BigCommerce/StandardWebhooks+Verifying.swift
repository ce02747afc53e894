package import Base
import Crypto
package import Fields

/// The headers that sign a webhook, each with all its values as they came.
package struct WebhookSignatureHeaders: Hashable, Sendable {
  /// `webhook-id`.
  package var ids: [String]
  /// `webhook-timestamp`.
  package var timestamps: [String]
  /// `webhook-signature`.
  package var signatures: [String]
  /// `X-BC-Webhook-Signature`, which guides name and no official page does.
  package var hexadecimal: [String]

  package init(
    ids: [String] = [], timestamps: [String] = [], signatures: [String] = [],
    hexadecimal: [String] = []
  ) {
    self.ids = ids
    self.timestamps = timestamps
    self.signatures = signatures
    self.hexadecimal = hexadecimal
  }

  package init(_ fields: FieldSection) {
    self.init(
      ids: fields.all(.webhookID), timestamps: fields.all(.webhookTimestamp),
      signatures: fields.all(.webhookSignature), hexadecimal: fields.all(.webhookHexSignature))
  }
}

/// What the signature of a webhook proves.
package enum WebhookVerdict: Hashable, Sendable {
  /// There is no header that would sign it.
  case absent
  /// It was made with that key (an index into those given) in the window.
  case valid(keyIndex: Int)
  case invalid(WebhookFault)
}

/// Why a signature is refused: a fixed word, so it may be logged and counted.
package enum WebhookFault: String, Error, CaseIterable, Hashable, Sendable {
  /// One or two of the three headers are missing.
  case incomplete
  /// A header stands twice.
  case repeated
  /// A header's value is longer than any that is looked at.
  case tooLong = "too_long"
  case malformed
  /// No entry has a version that we verify.
  case unsupported
  /// Made with none of the keys, or for something else.
  case mismatch
  /// Authentic, and from before the window.
  case stale
  /// Authentic, and from after the window.
  case early
}

extension StandardWebhooks {
  /// How far back and ahead of now a webhook may have been sent.
  package struct Window: Hashable, Sendable {
    package let back: Duration
    package let ahead: Duration

    package init(back: Duration, ahead: Duration) {
      self.back = back
      self.ahead = ahead
    }

    /// For BigCommerce, whose last retry may come after 48 hours with the first one's time.
    package static let delivery = Window(back: .seconds(72 * 3600), ahead: .seconds(300))
  }

  /// The longest `webhook-id` and `webhook-signature` that are looked at, in bytes.
  package static let maxIDLength = 256
  package static let maxSignatureLength = 4096

  /// Says whether one of the keys signed this body under this ID and time.
  ///
  /// Every `v1` entry is compared with the code of every key, in a time that does not tell which
  /// matched; entries of other versions are passed over. The time is judged last, so `stale` and
  /// `early` are said of authentic webhooks only. An ID with a full stop is refused, because parts
  /// could be moved between ID, time and body without another signature.
  package static func verify(
    _ headers: WebhookSignatureHeaders, body: [UInt8], keys: [WebhookKey], now: Timestamp,
    window: Window = .delivery
  ) -> WebhookVerdict {
    let values = [headers.ids, headers.timestamps, headers.signatures]
    if values.allSatisfy(\.isEmpty) { return .absent }
    do throws(WebhookFault) {
      guard values.allSatisfy({ !$0.isEmpty }) else { throw .incomplete }
      guard values.allSatisfy({ $0.count == 1 }) else { throw .repeated }
      let head = try signedHead(id: headers.ids[0], timestamp: headers.timestamps[0])
      let codes = try codes(in: headers.signatures[0])
      guard let index = match(codes, head: head.bytes, body: body, keys: keys) else {
        throw .mismatch
      }
      guard head.sent >= now - window.back else { throw .stale }
      guard head.sent <= now + window.ahead else { throw .early }
      return .valid(keyIndex: index)
    } catch {
      return .invalid(error)
    }
  }

  /// The same, and where no header of Standard Webhooks is present, by the header that guides name:
  /// the code of the body alone in hexadecimal, which proves no time.
  ///
  /// Without `takesHexadecimal` that header is as if absent.
  package static func verify(
    _ headers: WebhookSignatureHeaders, body: [UInt8], keys: [WebhookKey], now: Timestamp,
    takesHexadecimal: Bool
  ) -> WebhookVerdict {
    let verdict = verify(headers, body: body, keys: keys, now: now)
    guard verdict == .absent, takesHexadecimal, let value = headers.hexadecimal.first else {
      return verdict
    }
    guard headers.hexadecimal.count == 1 else { return .invalid(.repeated) }
    guard value.utf8.count <= 64 else { return .invalid(.tooLong) }
    guard value.utf8.count == 64, let code = Hex.decode(value) else {
      return .invalid(.malformed)
    }
    guard let index = match([code], head: [], body: body, keys: keys) else {
      return .invalid(.mismatch)
    }
    return .valid(keyIndex: index)
  }

  /// `{id}.{timestamp}.`, and the time that it states.
  private static func signedHead(
    id: String, timestamp: String
  ) throws(WebhookFault) -> (bytes: [UInt8], sent: Timestamp) {
    guard id.utf8.count <= maxIDLength, timestamp.utf8.count <= 11 else { throw .tooLong }
    guard !id.isEmpty,
      id.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ".") })
    else { throw .malformed }
    guard let seconds = decimal(timestamp) else { throw .malformed }
    return (Array("\(id).\(timestamp).".utf8), Timestamp(seconds: seconds))
  }

  /// Digits only, and none to spare.
  private static func decimal(_ text: String) -> Int64? {
    guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
      text == "0" || !text.hasPrefix("0")
    else { return nil }
    return Int64(text)
  }

  /// The codes of the `v1` entries; one that is malformed spoils the header.
  private static func codes(in list: String) throws(WebhookFault) -> [[UInt8]] {
    guard list.utf8.count <= maxSignatureLength else { throw .tooLong }
    guard list.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else { throw .malformed }
    var codes: [[UInt8]] = []
    for entry in list.split(separator: " ", omittingEmptySubsequences: false) {
      let parts = entry.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { throw .malformed }
      guard parts[0] == "v1" else { continue }
      guard let code = Base64.decode(parts[1]), code.count == SHA256.byteCount else {
        throw .malformed
      }
      codes.append(code)
    }
    guard !codes.isEmpty else { throw .unsupported }
    return codes
  }

  /// The first key that made one of the codes; all are compared with all.
  private static func match(
    _ codes: [[UInt8]], head: [UInt8], body: [UInt8], keys: [WebhookKey]
  ) -> Int? {
    var found: Int?
    for (index, key) in keys.enumerated() where !key.isEmpty {
      let genuine = key.code(of: head, body)
      for code in codes where genuine == code && found == nil { found = index }
    }
    return found
  }
}
