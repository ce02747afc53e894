import Base
import BigCommerce
import TestSupport

@testable import BigCommerce

/// Changes after which a payload must not be accepted, however it is signed.
enum PayloadAttacks {
  /// Values that a claim must not have; `nil`: the claim is missing.
  static let claims: [(name: String, values: [String?])] = [
    ("aud", [nil, "null", "\"other\"", "[\"\(PayloadForge.clientID)\"]", "\"\"", "1", "{}"]),
    ("iss", [nil, "null", "\"BC\"", "\"bc \"", "[\"bc\"]", "\"https://bc\"", "true"]),
    (
      "exp",
      [nil, "null", "0", "\(PayloadForge.now - 60)", "\"\(PayloadForge.now + 5)\"", "1e12", "-1"]
    ),
    ("exp", ["\(PayloadForge.now + 5).0", "253402300800", "99999999999999999999", "true", "[]"]),
    (
      "nbf", [nil, "null", "\(PayloadForge.now + 61)", "\"0\"", "0.5", "-1", "9223372036854775807"]
    ),
    (
      "iat", [nil, "null", "\(PayloadForge.now + 61)", "\"0\"", "1e3", "-1", "9223372036854775808"]
    ),
    (
      "sub",
      [nil, "null", "\"\"", "\"g5cd38\"", "\"stores/\"", "\"stores/A\"", "\"stores/a/b\"", "7"]
    ),
    (
      "sub",
      [
        "\"stores/a\\u0000\"", "\"stores/..\"", "\"/stores/a\"",
        "\"stores/\(String(repeating: "a", count: 33))\"",
      ]
    ),
    (
      "jti",
      [nil, "null", "\"\"", "5", "\"a b\"", "\"\\n\"", "\"\(String(repeating: "j", count: 129))\""]
    ),
    (
      "user",
      [
        nil, "null", "[]", "5", "{}", "{\"id\":null}", "{\"id\":\"5\"}", "{\"id\":5.0}",
        "{\"id\":5e0}",
      ]
    ),
    (
      "user",
      [
        "{\"id\":0}", "{\"id\":-5}", "{\"id\":true}", "{\"id\":[5]}",
        "{\"id\":9223372036854775808}",
      ]
    ),
    (
      "user",
      ["{\"id\":5,\"id\":6}", "{\"id\":5,\"\\u0069d\":5}", "{\"id\":5,\"email\":7}", "{\"ID\":5}"]
    ),
    ("owner", ["5", "[]", "{}", "{\"id\":\"5\"}", "{\"id\":0}", "{\"id\":5,\"id\":5}", "\"x\""]),
    (
      "url",
      ["5", "{}", "\"/\\r\\nX:y\"", "\"/\\u0000\"", "\"/\(String(repeating: "a", count: 4096))\""]
    ),
    ("channel_id", ["\"1\"", "1.5", "-1", "true", "[]", "1e3", "99999999999999999999"]),
  ]

  /// Values that a member of the header must not have.
  static let headers: [(name: String, values: [String?])] = [
    (
      "alg",
      [
        nil, "null", "\"none\"", "\"None\"", "\"NONE\"", "\"\"", "\"hs256\"", "\"HS256 \"",
        "[\"HS256\"]",
      ]
    ),
    (
      "alg",
      ["\"HS384\"", "\"HS512\"", "\"RS256\"", "\"ES256\"", "\"PS256\"", "\"EdDSA\"", "256", "true"]
    ),
    ("typ", ["\"at+jwt\"", "\"JWE\"", "null", "1", "\"\"", "[\"JWT\"]"]),
    ("kid", ["\"1\"", "null", "\"../../dev/null\""]), ("jku", ["\"https://evil.example\""]),
    ("jwk", ["{\"kty\":\"oct\",\"k\":\"AA\"}"]), ("x5u", ["\"https://evil.example\""]),
    ("x5c", ["[]"]),
    ("crit", ["[]", "[\"exp\"]"]), ("b64", ["false", "true"]), ("zip", ["\"DEF\""]),
    ("cty", ["\"JWT\""]),
    ("ALG", ["\"HS256\""]), ("", ["1"]), ("enc", ["\"A128GCM\""]), ("alg ", ["\"HS256\""]),
  ]

  /// Sets a member to one of its forbidden values, or removes it.
  static func spoil(
    _ members: inout [PayloadForge.Member], _ table: [(name: String, values: [String?])],
    _ random: inout SeededGenerator
  ) -> String {
    guard let row = table.randomElement(using: &random),
      let value = row.values.randomElement(using: &random)
    else { return "" }
    // By its place, for the name may be written with an escape.
    let index = members.firstIndex { JSONName.read($0.name) == row.name }
    switch (index, value) {
    case (let index?, let value?): members[index].value = value
    case (let index?, nil): members.remove(at: index)
    case (nil, let value): members.append(.init(name: "\"\(row.name)\"", value: value ?? "null"))
    }
    return "\(row.name)=\(value ?? "missing")"
  }

  /// Writes a member a second time, perhaps in another spelling.
  static func duplicate(_ members: inout [PayloadForge.Member], _ random: inout SeededGenerator) {
    guard var copy = members.randomElement(using: &random) else { return }
    if Bool.random(using: &random) { copy.name = GenuinePayload.escaped(copy.name, &random) }
    if Bool.random(using: &random) { copy.value = "null" }
    members.insert(copy, at: Int.random(in: 0...members.count, using: &random))
  }

  /// Makes the JSON no JSON.
  static func breakJSON(_ json: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    let text = String(decoding: json, as: UTF8.self)
    let broken = [
      "\u{feff}" + text, text + "x", text + "{}", text + "\u{0}", "[" + text + "]", "//x\n" + text,
      String(text.reversed()), "", "null", "\"\(text.count)\"", text.replacing(":", with: "="),
      text.replacing("\"", with: "'"), text + ",", "{" + text, text.replacing("}", with: ",}"),
      text.replacing("}", with: ",,\"z\":1}"), text.replacing("{", with: "{\"\\x\":1,"),
      text.replacing("{", with: "{\"n\":01,"), text.replacing("{", with: "{\"n\":NaN,"),
      text.replacing("{", with: "{\"\\ud800\":1,"), text.replacing("{", with: "{\"a\nb\":1,"),
    ]
    if Int.random(in: 0..<10, using: &random) == 0 { return json.map { $0 | 0x80 } }
    return Array((broken.randomElement(using: &random) ?? "").utf8)
  }

  /// Secrets that are not the app's, though some are close.
  ///
  /// Not among them: the secret with a NUL after it, which HMAC cannot tell from the secret.
  static func wrongSecret(_ random: inout SeededGenerator) -> String {
    let secret = PayloadForge.current
    let wrong = [
      "", " ", secret + "\n", secret.uppercased(), String(secret.dropLast()),
      String(secret.reversed()), Base64.encode(Array(secret.utf8)), Hex.encode(Array(secret.utf8)),
      PayloadForge.clientID, secret + PayloadForge.old, " " + secret,
      "an0therappssecretan0therappssec",
      String(decoding: random.bytes(32), as: UTF8.self),
    ]
    return wrong.randomElement(using: &random) ?? ""
  }

  /// The third part, but something else than the code of the first two.
  static func wrongSignature(_ token: String, _ random: inout SeededGenerator) -> String {
    let parts = token.split(separator: ".").map(String.init)
    let signed = Array("\(parts[0]).\(parts[1])".utf8)
    let key = Array(PayloadForge.current.utf8)
    let code = PayloadForge.hmac(key: key, message: signed)
    let wrong: [[UInt8]] = [
      [], [UInt8](repeating: 0, count: 32), Array(code.dropLast()), Array(code.dropFirst()),
      code + [0],
      Array(code.prefix(16)), code + code, code.reversed(), code.map { ~$0 },
      Array(Hex.encode(code).utf8),
      PayloadForge.hmac(key: key, message: Array(parts[1].utf8)),
      PayloadForge.hmac(key: key, message: Array(parts[0].utf8)),
      PayloadForge.hmac(key: key, message: signed + Array(".".utf8)),
      PayloadForge.hmac(key: key, message: Base64.decodeURL(parts[1]) ?? []),
      PayloadForge.hmac(key: signed, message: key), random.bytes(32),
    ]
    return "\(parts[0]).\(parts[1]).\(Base64.encodeURL(wrong.randomElement(using: &random) ?? []))"
  }

  /// The same parts in another spelling or order.
  static func respelled(_ token: String, _ random: inout SeededGenerator) -> String {
    let parts = token.split(separator: ".").map(String.init)
    let standard = token.replacing("-", with: "+").replacing("_", with: "/")
    let spellings = [
      token + "=", token + "==", token + ".", "." + token, token + "." + parts[2], " " + token,
      token + "\n", token + "\0", standard, token.replacing(".", with: ". "), "Bearer " + token,
      token.replacing(".", with: "%2E"), token.replacing(".", with: "。"), token.uppercased(),
      "\(parts[1]).\(parts[0]).\(parts[2])", "\(parts[0]).\(parts[2]).\(parts[1])",
      "\(parts[0])..\(parts[2])", "\(parts[0]).\(parts[1])", "\(parts[0]).\(parts[1]).", "..",
      "\(parts[0])=.\(parts[1]).\(parts[2])", "\(parts[0]).\(parts[1])=.\(parts[2])",
      token.replacing(parts[2], with: spareBits(parts[2])), String(token.reversed()),
      String(repeating: "A", count: 9000), token + String(repeating: "A", count: 8192),
    ]
    return spellings.randomElement(using: &random) ?? ""
  }

  /// The text with a bit set that a lenient decoder drops.
  private static func spareBits(_ text: String) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    guard let last = text.last, let value = alphabet.firstIndex(of: last) else { return text + "=" }
    return text.dropLast() + String(alphabet[value ^ 1])
  }
}

/// Reads a JSON text literal, escapes included.
enum JSONName {
  static func read(_ literal: String) -> String? { (try? JSONScanner.parse(literal))?.string }
}
