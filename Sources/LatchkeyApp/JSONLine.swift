import Base
import Logging
import Web

/// A log line as JSON while it is written, field after field.
struct JSONLine {
  private var bytes: [UInt8] = []

  init(at: Timestamp, level: Logger.Level, label: String, message: String) {
    bytes.reserveCapacity(384)
    bytes.append(contentsOf: "{\"at\":\"".utf8)
    at.append(to: &bytes)
    bytes.append(UInt8(ascii: "\""))
    add("level", level.rawValue)
    add("logger", label)
    add("message", message)
  }

  mutating func add(_ name: String, _ value: JSONValue) {
    addName(name)
    bytes.append(contentsOf: value.encoded())
  }

  mutating func add(_ name: String, _ text: String) {
    addName(name)
    JSONValue.append(text, to: &bytes)
  }

  mutating func add(_ name: String, _ text: Substring) {
    addName(name)
    JSONValue.append(text, to: &bytes)
  }

  mutating func add(_ name: String, _ traceID: TraceID) {
    addName(name)
    bytes.append(UInt8(ascii: "\""))
    traceID.append(to: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  private mutating func addName(_ name: String) {
    bytes.append(UInt8(ascii: ","))
    JSONValue.append(name, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
  }

  /// The whole line, its line break included.
  consuming func end() -> [UInt8] {
    bytes.append(contentsOf: "}\n".utf8)
    return bytes
  }
}

extension AccessRecord {
  /// As a logger would write it: fields in the order of their names.
  func line(at: Timestamp, _ label: String) -> [UInt8] {
    var line = JSONLine(at: at, level: level, label: label, message: AccessRecord.message)
    if let app = subject.app { line.add("app", app.text) }
    if let caller = subject.caller { line.add("caller", caller) }
    line.add("client", clientAddress)
    line.add("duration_ms", duration.inMillisecondsText)
    if let idempotency = subject.idempotency { line.add("idempotency", idempotency.rawValue) }
    line.add("listener", listener)
    line.add("method", method)
    line.add("path", path)
    line.add("request_id", requestID.text)
    line.add("status", String(status))
    if let store = subject.store { line.add("store_hash", store.text) }
    line.add("trace_id", traceID)
    return line.end()
  }
}
