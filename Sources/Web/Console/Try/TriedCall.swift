import Base
import BigCommerce
import Fields
import HTTPTypes

/// A call as somebody wrote it into the form.
struct TriedCall: Sendable {
  static let methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]

  let store: String
  let app: String
  let method: String
  let path: String
  let body: String

  init(_ form: ConsoleForm) {
    store = form["store"] ?? ""
    app = form["app"] ?? ""
    method = form["method"] ?? "GET"
    path = form["path"] ?? ""
    body = form["body"] ?? ""
  }

  var isWrite: Bool { method != "GET" && method != "HEAD" }

  /// What is wrong with it, before anybody is asked; `nil`: nothing.
  var fault: String? {
    if StoreHash(store) == nil { return "A store hash is 1 to 32 lower-case letters and digits." }
    if !app.isEmpty, AppName(app) == nil { return "That is no app’s name." }
    if !Self.methods.contains(method) { return "That is no method of the gateway." }
    if path.contains("{") { return "Put a value in the place of each {…} in the path." }
    let isPlain = path.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }
    guard path.hasPrefix("/"), isPlain, path.utf8.count <= 4000 else {
      return "The path begins with /v2/, /v3/ or /graphql; percent-encode what is not plain ASCII."
    }
    return nil
  }

  /// As the gateway takes it.
  var target: String { "/stores/\(store)\(path)" }

  func headers(isDryRun: Bool) -> FieldSection {
    var headers: FieldSection = [.accept: "application/json"]
    if !sent.isEmpty { headers[.contentType] = "application/json" }
    if isDryRun { headers[.latchkeyDryRun] = "true" }
    if !app.isEmpty { headers[.latchkeyApp] = app }
    return headers
  }

  /// The body that goes out: none with a method that has none.
  var sent: [UInt8] { isWrite ? Array(body.utf8) : [] }

  /// For the form, and for the question that repeats it.
  var fields: [(String, String)] {
    [("store", store), ("app", app), ("method", method), ("path", path), ("body", body)]
  }

  var values: PageValues {
    var values: PageValues = [
      "f_store": store, "f_app": app, "f_path": path, "f_body": body,
      "methods": Self.methods.map {
        ["option": $0, "isChosen": $0 == method] as PageValues
      },
    ]
    values["paths"] = Self.paths
    return values
  }

  /// What the endpoint table lists, for completion.
  private static let paths: [PageValues] = EndpointTable.shared.paths.map { entry in
    let scopes = entry.rules.first.map { $0.rule.alternatives.joined(separator: " or ") } ?? ""
    let methods = entry.rules.map(\.method.rawValue).joined(separator: " ")
    return ["known": entry.path, "knownWords": scopes.isEmpty ? methods : "\(methods) · \(scopes)"]
  }
}
