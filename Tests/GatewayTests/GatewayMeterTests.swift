import Foundation
import HTTPTypes
import Prometheus
import TestSupport
import Testing

@testable import Gateway

@Suite struct `What the gateway counts` {
  private func value(_ meter: GatewayMeter, _ name: String, _ labels: [String]) -> Double? {
    let points = meter.families.first { $0.name == name }?.points
    guard case .number(let number)? = points?.first(where: { $0.labels == labels })?.value else {
      return nil
    }
    return number
  }

  private var series: Int { GatewayMeter().families.reduce(0) { $0 + $1.points.count } }

  @Test func `answers by who speaks, method and status; refusals by code`() async throws {
    let meter = GatewayMeter()
    for _ in 0..<3 { meter.relayed(.get, status: 200) }
    meter.relayed(.post, status: 422)
    meter.explained(.get)
    meter.refused(.delete, .storeUnknown)
    #expect(value(meter, "latchkey_gateway_answers_total", ["upstream", "GET", "2xx"]) == 3)
    #expect(value(meter, "latchkey_gateway_answers_total", ["upstream", "POST", "4xx"]) == 1)
    #expect(value(meter, "latchkey_gateway_answers_total", ["gateway", "GET", "2xx"]) == 1)
    #expect(value(meter, "latchkey_gateway_answers_total", ["gateway", "DELETE", "4xx"]) == 1)
    #expect(value(meter, "latchkey_gateway_refusals_total", ["store_unknown"]) == 1)
    #expect(value(meter, "latchkey_gateway_refusals_total", ["key_invalid"]) == 0)
  }

  @Test func `odd methods and statuses find a place, and make no new series`() async throws {
    let meter = GatewayMeter()
    for (method, status) in [(HTTPRequest.Method.trace, 200), (.get, 100), (.get, 999)] {
      meter.relayed(method, status: status)
    }
    #expect(value(meter, "latchkey_gateway_answers_total", ["upstream", "other", "2xx"]) == 1)
    #expect(value(meter, "latchkey_gateway_answers_total", ["upstream", "GET", "5xx"]) == 1)
    #expect(meter.families.reduce(0) { $0 + $1.points.count } == series)
  }

  @Test func `each code that the gateway's source names has a series`() throws {
    let sources = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Sources/Gateway").standardized
    let files = try FileManager.default.contentsOfDirectory(
      at: sources, includingPropertiesForKeys: nil)
    var codes: Set<String> = []
    for file in files where file.pathExtension == "swift" {
      for match in try String(contentsOf: file, encoding: .utf8).matches(of: /code: "([a-z_]+)"/) {
        codes.insert(String(match.output.1))
      }
    }
    #expect(codes.count > 15)
    #expect(codes.filter { RefusalCode(rawValue: $0) == nil } == [])
  }
}
