import Base
import BigCommerce
import Crypto
import TestSupport

@testable import BigCommerce

/// Makes signed payloads with code of its own: HMAC from its definition, JSON as text.
enum PayloadForge {
  static let clientID = "acme3c1d5e7f9client"
  static let current = "c5ad0ad8a2f14d58b9b2d0c2b5b3a9e1"
  static let old = "0ld5ecre70ld5ecre70ld5ecre70ld5e"
  static let now: Int64 = 1_795_224_000

  /// A name and a value, both as JSON text.
  struct Member {
    var name: String
    var value: String
  }

  static func verify(_ token: String) throws(SignedPayloadError) -> SignedPayload {
    try SignedPayload.verify(
      token: Secret(token), clientID: clientID, secrets: [Secret(current), Secret(old)],
      now: Timestamp(seconds: now))
  }

  /// Three parts, signed.
  static func token(_ header: [UInt8], _ claims: [UInt8], secret: String) -> String {
    let signed = "\(Base64.encodeURL(header)).\(Base64.encodeURL(claims))"
    let code = hmac(key: Array(secret.utf8), message: Array(signed.utf8))
    return "\(signed).\(Base64.encodeURL(code))"
  }

  /// RFC 2104, written out.
  static func hmac(key: [UInt8], message: [UInt8]) -> [UInt8] {
    var block = key.count > 64 ? Array(SHA256.hash(data: key)) : key
    block += [UInt8](repeating: 0, count: 64 - block.count)
    let inner = Array(SHA256.hash(data: block.map { $0 ^ 0x36 } + message))
    return Array(SHA256.hash(data: block.map { $0 ^ 0x5C } + inner))
  }
}

/// A payload that BigCommerce might send: every variation of it is legal.
struct GenuinePayload {
  var header = [
    PayloadForge.Member(name: "\"alg\"", value: "\"HS256\""),
    PayloadForge.Member(name: "\"typ\"", value: "\"JWT\""),
  ]
  var claims: [PayloadForge.Member] = []
  /// What must be read from it.
  let expected: SignedPayload

  init(_ random: inout SeededGenerator) {
    let now = PayloadForge.now
    let issued = now + Int64.random(in: -86_000...60, using: &random)
    let expires = now + Int64.random(in: -59...86_400, using: &random)
    let hash = GenuinePayload.text("abcxyz019", 1...32, &random)
    let jti = GenuinePayload.text("0123456789abcdef-AZ~!", 1...128, &random)
    let url = ["/", "/a?b=1", "//evil.example", "https://evil.example", nil].randomElement(
      using: &random)
    let email =
      ["u@m.example", "jürgen@münchen.example", "", nil].randomElement(using: &random) ?? nil
    let locale = ["en-US", "de", nil].randomElement(using: &random) ?? nil
    let owner = [nil, 1, 7123, Int64.max].randomElement(using: &random) ?? nil
    let channel: Int64? = [nil, 0, 1, 1_234_567].randomElement(using: &random) ?? nil
    let user =
      [1, 9128, Int64.random(in: 1...Int64.max, using: &random)].randomElement(using: &random) ?? 1
    expected = SignedPayload(
      store: StoreHash(hash) ?? GenuinePayload.anyStore, userID: user, userEmail: email ?? "",
      userLocale: locale, ownerID: owner, ownerEmail: owner.map { _ in "o@m.example" },
      issuedAt: Timestamp(seconds: issued), expiresAt: Timestamp(seconds: expires), tokenID: jti,
      url: url ?? nil, channelID: channel)
    var userText = "{\"id\":\(user)"
    if let email { userText += ",\"email\":\"\(email)\"" }
    if let locale { userText += ",\"locale\":\"\(locale)\"" }
    add("aud", "\"\(PayloadForge.clientID)\"")
    add("iss", "\"bc\"")
    add("iat", "\(issued)")
    add("nbf", "\(now + Int64.random(in: -86_000...60, using: &random))")
    add("exp", "\(expires)")
    add("jti", "\"\(jti)\"")
    add("sub", "\"stores/\(hash)\"")
    add("user", userText + "}")
    if let owner { add("owner", "{\"email\":\"o@m.example\",\"id\":\(owner)}") }
    if let url { add("url", url.map { "\"\($0)\"" } ?? "null") }
    if channel != nil || Bool.random(using: &random) {
      add("channel_id", channel.map { "\($0)" } ?? "null")
    }
    vary(&random)
  }

  private static let anyStore: StoreHash = {
    guard let store = StoreHash("a") else { preconditionFailure("a is a store hash") }
    return store
  }()

  private mutating func add(_ name: String, _ value: String) {
    claims.append(.init(name: "\"\(name)\"", value: value))
  }

  /// What may differ and still mean the same.
  private mutating func vary(_ random: inout SeededGenerator) {
    if Bool.random(using: &random) { claims.shuffle(using: &random) }
    switch Int.random(in: 0..<4, using: &random) {
    case 0: header.removeLast()
    case 1: header.reverse()
    case 2: header[1].value = "\"jwt\""
    default: break
    }
    if Int.random(in: 0..<3, using: &random) == 0 {
      let extras = [
        "[]", "{}", "1e40", "-0.5E-3", "[1,{\"aud\":\"x\",\"sub\":null}]", "\"\\ud83d\\ude00\"",
      ]
      add("extra\(claims.count)", extras.randomElement(using: &random) ?? "null")
    }
    if Int.random(in: 0..<3, using: &random) == 0 {
      let index = Int.random(in: claims.indices, using: &random)
      claims[index].name = GenuinePayload.escaped(claims[index].name, &random)
    }
  }

  /// The JSON name or text with one of its characters as an escape.
  static func escaped(_ literal: String, _ random: inout SeededGenerator) -> String {
    var characters = Array(literal)
    // A second escape might fall into the first, and change the name.
    guard characters.count > 2, !characters.contains("\\") else { return literal }
    let index = Int.random(in: 1..<(characters.count - 1), using: &random)
    guard let value = characters[index].asciiValue else {
      return literal
    }
    characters.replaceSubrange(index...index, with: "\\u00" + Hex.encode([value]))
    return String(characters)
  }

  private static func text(
    _ alphabet: String, _ length: ClosedRange<Int>, _ random: inout SeededGenerator
  ) -> String {
    let characters = Array(alphabet)
    return String(
      (0..<Int.random(in: length, using: &random)).map { _ in
        characters.randomElement(using: &random) ?? "a"
      })
  }

  /// An object with the members, spaced at random.
  static func json(_ members: [PayloadForge.Member], _ random: inout SeededGenerator) -> [UInt8] {
    let space = ["", "", "", " ", "\n", "\t", "\r\n"]
    func gap(_ random: inout SeededGenerator) -> String {
      space.randomElement(using: &random) ?? ""
    }
    var text = gap(&random) + "{" + gap(&random)
    for (index, member) in members.enumerated() {
      text += (index > 0 ? "," + gap(&random) : "") + member.name + gap(&random) + ":"
      text += gap(&random) + member.value + gap(&random)
    }
    return Array((text + "}" + gap(&random)).utf8)
  }

  func token(secret: String, _ random: inout SeededGenerator) -> String {
    PayloadForge.token(
      GenuinePayload.json(header, &random), GenuinePayload.json(claims, &random), secret: secret)
  }
}
