import Base
import LatchkeyApp
import Linux
import TestSupport
import Testing

/// SplitMix64: the same seed, the same run.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}

@Suite struct `Settings of any kind` {
  private static let fragments = [
    "", " ", ",", ":", "/", "=", "\0", "\n", "\r", "%", "https://", "http://", "[::1]", "0", "5s",
    "-1",
    "99999999999999999999", "ms", "true", "k1:", "AAAA", "é", "𝟙", "{", "}", "*", "'self'", "#fff",
    "@",
    "example.com", "..", "127.0.0.1:8080", "10.0.0.0/8", "/33", "install=/x",
  ]

  private func anyText(_ generator: inout SeededGenerator) -> String {
    let pieces = (0..<Int.random(in: 0...5, using: &generator)).map { _ in
      Self.fragments.randomElement(using: &generator) ?? ""
    }
    return pieces.joined()
  }

  @Test func `are accepted or refused by name, and no value is ever repeated in a problem`() {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = SeededGenerator(state: seed)
    let names = SettingName.allCases.filter { $0 != .config }.flatMap(\.acceptedNames)
    for _ in 0..<count(ordinary: 2_000, full: 200_000) {
      var environment: [String: String?] = [:]
      let marker = "canary\(UInt64.random(in: 0 ... .max, using: &generator))"
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let name = names.randomElement(using: &generator) ?? ""
        let isPath = name.hasSuffix("_FILE") || name.contains("_TLS_")
        // Paths are named in problems on purpose.
        environment[name] =
          anyText(&generator) + (isPath ? "" : marker) + anyText(&generator)
      }
      do throws(SettingsProblems) {
        _ = try settings(environment)
      } catch {
        #expect(!error.problems.isEmpty, "seed \(seed)")
        #expect(!error.description.contains(marker), "seed \(seed): \(error)")
        let known = Set(names + SettingName.allCases.map(\.rawValue))
        #expect(error.problems.allSatisfy { known.contains($0.name) }, "seed \(seed): \(error)")
      }
    }
  }

  @Test func `what is shown as in effect reads back as the same`() throws {
    let first = try settings([
      "LATCHKEY_DRAIN_DELAY": "12000ms", "LATCHKEY_PUSH_SCHEDULE": "60s, 7200s,90s",
      "LATCHKEY_CALLBACK_PATHS": "load=/a,install=/b", "LATCHKEY_PUBLIC_ADDRESS": "localhost:1",
      "LATCHKEY_TRUSTED_PROXIES": "::1 10.0.0.0/8", "BIGCOMMERCE_SCOPES": "b,a b",
      "LATCHKEY_SPOOL": "0", "LATCHKEY_METRICS_OPEN": "yes", "APP_URL": "https://x.example",
      "LATCHKEY_BRAND_COLOR": "#ABC", "LATCHKEY_LOG_LEVEL": "WARNING",
    ])
    var shown = minimal
    for setting in first.effective where !setting.isDefault && !setting.name.isSecret {
      shown[setting.name.rawValue] = setting.text
    }
    let second = try Settings(reading: shown)
    #expect(first.effective.map(\.text) == second.effective.map(\.text))
    #expect(
      first.effective.first { $0.name == .pushSchedule }?.text == "1m,2h,90s")
  }
}
