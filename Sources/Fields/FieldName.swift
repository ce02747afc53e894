/// A header field's name, when it is one that this program has to do with, or that occurs in nearly
/// every request or answer.
///
/// Comparing two costs what comparing two numbers costs.
package enum FieldName: UInt8, CaseIterable, Sendable {
  /// Any other; its spelling is in the section.
  case other

  case accept
  case acceptEncoding
  case acceptLanguage
  case accessControlAllowOrigin
  case age
  case allow
  case authorization
  case cacheControl
  case connection
  case contentDisposition
  case contentEncoding
  case contentLanguage
  case contentLength
  case contentSecurityPolicy
  case contentType
  case cookie
  case date
  case eTag
  case expect
  case expires
  case forwarded
  case host
  case http2Settings
  case idempotencyKey
  case keepAlive
  case lastEventID
  case lastModified
  case latchkeyApp
  case latchkeyDryRun
  case latchkeyIdempotentReplay
  case latchkeyMaxWait
  case latchkeyOrigin
  case latchkeyPriority
  case latchkeyRetry
  case latchkeyTimeout
  case link
  case location
  case origin
  case pragma
  case proxyConnection
  case referer
  case referrerPolicy
  case retryAfter
  case server
  case setCookie
  case strictTransportSecurity
  case te
  case traceparent
  case tracestate
  case trailer
  case transferEncoding
  case upgrade
  case userAgent
  case vary
  case via
  case webhookID
  case webhookSignature
  case webhookTimestamp
  case authClient
  case authToken
  case storeVersion
  case webhookHexSignature
  case contentTypeOptions
  case correlationID
  case forwardedFor
  case forwardedProto
  case frameOptions
  case methodName
  case methodNameOverride
  case webhookSecret
  case methodOverride
  case originalURL
  case quotaRemaining
  case quotaLeft
  case quota
  case quotaResetSeconds
  case quotaReset
  case quotaWindow
  case requestID
  case extendedRetryAfter
  case rewriteURL
  case xssProtection

  /// The name of these bytes, in any case.
  package static func named(_ bytes: Span<UInt8>) -> FieldName {
    FieldNameTable.shared.name(of: bytes)
  }

  /// As it is written; empty for any other name.
  package var spelling: String { FieldNameTable.shared.spellings[Int(rawValue)] }
}

/// A set of names; most are asked for some thousand times a second.
package struct FieldNameSet: Sendable, ExpressibleByArrayLiteral {
  private var marks: (low: UInt64, high: UInt64) = (0, 0)

  package init(arrayLiteral names: FieldName...) { self.init(names) }

  package init(_ names: some Sequence<FieldName>) {
    for name in names { insert(name) }
  }

  package func contains(_ name: FieldName) -> Bool {
    let number = UInt64(name.rawValue)
    return (number < 64 ? marks.low >> number : marks.high >> (number - 64)) & 1 != 0
  }

  package mutating func insert(_ name: FieldName) {
    let number = UInt64(name.rawValue)
    if number < 64 { marks.low |= 1 << number } else { marks.high |= 1 << (number - 64) }
  }

  package func union(_ more: FieldNameSet) -> FieldNameSet {
    var union = self
    union.marks.low |= more.marks.low
    union.marks.high |= more.marks.high
    return union
  }
}
