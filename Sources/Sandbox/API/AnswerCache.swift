import NIOHTTP1

/// Answers to reads, kept until something in the store changes.
///
/// Load tests ask for the same few pages again and again; rendering them once keeps this side
/// light.
struct AnswerCache: Sendable {
  private static let limit = 256
  private var answers: [String: APIAnswer] = [:]

  /// Who asks for what, and under which host, because V2 answers hold links.
  static func key(_ request: SandboxRequest, clientID: String) -> String {
    clientID + " " + (request.headers.first(name: "host") ?? "") + request.target
  }

  subscript(_ target: String) -> APIAnswer? { answers[target] }

  mutating func keep(_ answer: APIAnswer, for target: String) {
    if answers.count >= AnswerCache.limit { answers.removeAll(keepingCapacity: true) }
    answers[target] = answer
  }

  mutating func clear() {
    if !answers.isEmpty { answers.removeAll(keepingCapacity: true) }
  }
}
