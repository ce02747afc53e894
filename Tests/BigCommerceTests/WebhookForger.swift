import Base
import BigCommerce
import TestSupport

/// Turns a genuine webhook into forged ones, one thing changed in each.
struct WebhookForger {
  struct Forgery {
    let name: String
    var headers: WebhookSignatureHeaders
    var body: [UInt8]
    var keys: [WebhookKey]
    var now: Timestamp
  }

  let genuine: WebhookVectors.Case
  let other: WebhookVectors.Case
  let now: Timestamp
  var random: SeededGenerator

  /// About ninety, each of which must be refused.
  mutating func forgeries() -> [Forgery] {
    identifiers() + times() + signatures() + bodies() + keys() + heads() + moved()
  }

  private func forged(_ name: String, _ change: (inout Forgery) -> Void) -> Forgery {
    var forgery = Forgery(
      name: name, headers: genuine.headers, body: Array(genuine.body.utf8),
      keys: [genuine.key], now: now)
    change(&forgery)
    return forgery
  }

  private mutating func mutants(_ text: String, _ count: Int) -> [String] {
    (0..<count).map { _ in String(decoding: random.mutated(Array(text.utf8)), as: UTF8.self) }
      .filter { $0 != text }
  }

  private mutating func identifiers() -> [Forgery] {
    let fixed = [
      "", " ", genuine.id + ".", "." + genuine.id, genuine.id + " ", " " + genuine.id,
      genuine.id + "\n", genuine.id + "\0", genuine.id + "é", genuine.id.uppercased() + "x",
      genuine.id + String(repeating: "a", count: 257), other.id + "x",
    ]
    return (fixed + mutants(genuine.id, 8)).map { text in
      forged("id \(text.debugDescription)") { $0.headers.ids = [text] }
    }
  }

  private mutating func times() -> [Forgery] {
    let time = genuine.timestamp
    let number = Int64(time) ?? 0
    let fixed = [
      "", "0", "0" + time, "00" + time, "+" + time, "-" + time, " " + time, time + " ",
      "\t" + time, time + ".0", time + "e0", time + "\n", time + "\0", "0x6b0e3f00", "now",
      String(number + 1), String(number - 1), time + "000", String(repeating: "9", count: 30),
      arabic(time),
    ]
    return (fixed + mutants(time, 8)).map { text in
      forged("timestamp \(text.debugDescription)") { $0.headers.timestamps = [text] }
    }
  }

  /// The same number in another script's digits.
  private func arabic(_ digits: String) -> String {
    let scalars = digits.unicodeScalars.compactMap { Unicode.Scalar($0.value - 0x30 + 0x660) }
    return String(String.UnicodeScalarView(scalars))
  }

  private mutating func signatures() -> [Forgery] {
    let text = genuine.signature
    let code = String(text.dropFirst(3))
    let bytes = Base64.decode(code) ?? []
    let spare = String(code.dropLast(2)) + bumped(code.dropLast().last) + "="
    let fixed = [
      "", " ", code, "v1" + code, "v1:" + code, "v1=" + code, "v1, " + code, "v1,," + code,
      " " + text, text + " ", text + "  " + text, text + "\t", "V1," + code, "v2," + code,
      "v1a," + code, "v01," + code, "v1 ," + code, "," + code, "v1,", "v1", text + ",",
      text + " v1", text + " v1,", text + " v1,AAAA", "v1,AAAA " + text, text + "," + text,
      text.replacing("=", with: ""), text + "=", text + "\0", "v1," + spare,
      "v1," + Base64.encodeURL(bytes), "v1," + Hex.encode(bytes),
      "v1," + Base64.encode(bytes + [0]), "v1," + Base64.encode(bytes.dropLast()),
      "v1," + Base64.encode([UInt8](repeating: 0, count: 32)), other.signature + "x",
      "v1," + Base64.encode(bytes.reversed()), code + "," + "v1",
      text + String(repeating: " v2,a", count: 900),
    ]
    return (fixed + mutants(text, 12)).filter { $0 != text }.map { text in
      forged("signature \(text.debugDescription)") { $0.headers.signatures = [text] }
    }
  }

  /// The next letter of the alphabet: the same bytes to a decoder that drops spare bits.
  private func bumped(_ letter: Character?) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    guard let letter, let index = alphabet.firstIndex(of: letter) else { return "A" }
    return String(alphabet[index + 1])
  }

  private mutating func bodies() -> [Forgery] {
    let body = Array(genuine.body.utf8)
    var changed: [[UInt8]] = [
      body + [0x0A], body + [0], [0x20] + body, [0xEF, 0xBB, 0xBF] + body, body + body + [0x20],
      Array(other.body.utf8) + [0x20],
    ]
    changed += (0..<12).map { _ in random.mutated(body) }
    return changed.filter { $0 != body }.map { bytes in
      forged("body \(String(decoding: bytes, as: UTF8.self).debugDescription)") {
        $0.body = bytes
      }
    }
  }

  private func keys() -> [Forgery] {
    let secret = genuine.secret
    var keys: [[UInt8]] = [
      [], Array((secret + "\n").utf8), Array((" " + secret).utf8), Array((secret + "0").utf8),
      Array(Base64.encode(Array(secret.utf8)).utf8), Array(Hex.encode(Array(secret.utf8)).utf8),
      Array(other.secret.utf8) + [1],
    ]
    if secret.hasPrefix("whsec_") {
      keys += [Array(secret.utf8), Array(secret.utf8.dropFirst(6))]
    } else if let decoded = Base64.decode(secret) {
      keys.append(decoded)
    }
    return [forged("no key") { $0.keys = [] }]
      + keys.map { bytes in
        forged("key \(bytes)") { $0.keys = [WebhookKey(bytes: Secret(bytes))] }
      }
  }

  /// Headers that are missing, stand twice, or come too late or too early.
  private func heads() -> [Forgery] {
    let sent = Timestamp(seconds: Int64(genuine.timestamp) ?? 0)
    let names: [WritableKeyPath<WebhookSignatureHeaders, [String]>] = [
      \.ids, \.timestamps, \.signatures,
    ]
    var all: [Forgery] = []
    for name in names {
      all.append(forged("missing") { $0.headers[keyPath: name] = [] })
      all.append(forged("twice") { $0.headers[keyPath: name] += $0.headers[keyPath: name] })
      all.append(forged("a second") { $0.headers[keyPath: name].append("") })
    }
    all.append(forged("stale") { $0.now = sent + .seconds(72 * 3600 + 1) })
    all.append(forged("very stale") { $0.now = sent + .seconds(96 * 3600) })
    all.append(forged("early") { $0.now = sent - .seconds(301) })
    return all
  }

  /// The signed text cut elsewhere: a part of one field moved to another.
  private func moved() -> [Forgery] {
    var all = [
      forged("time in the ID") {
        $0.headers.ids = [genuine.id + "." + genuine.timestamp]
        let cut = genuine.body.utf8.prefix { $0 != UInt8(ascii: ".") }
        $0.headers.timestamps = [String(decoding: cut, as: UTF8.self)]
        $0.body = Array(genuine.body.utf8.dropFirst(cut.count + 1))
      }
    ]
    let parts = genuine.timestamp.utf8.count / 2
    all.append(
      forged("half the time in the body") {
        $0.headers.timestamps = [String(genuine.timestamp.prefix(parts))]
        $0.body = Array((genuine.timestamp.dropFirst(parts) + "." + genuine.body).utf8)
      })
    // A sender that signed an ID with a full stop: the same text is another message, too.
    let longer = genuine.timestamp + "." + genuine.body
    let signature = StandardWebhooks.sign(
      id: genuine.id, timestamp: Int64(genuine.timestamp) ?? 0, body: Array(longer.utf8),
      key: genuine.key)
    all.append(
      forged("an ID with a full stop") {
        $0.headers.ids = [genuine.id + "." + genuine.timestamp]
        $0.headers.signatures = [signature]
      })
    return all
  }
}
