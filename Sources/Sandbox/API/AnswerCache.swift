/// Answers to reads, kept until something in the store changes.
///
/// Load tests ask for the same few pages again and again; rendering them once keeps this side light.
struct AnswerCache: Sendable {
  private static let limit = 256
  private var answers: [String: APIAnswer] = [:]

  subscript(_ target: String) -> APIAnswer? { answers[target] }

  mutating func keep(_ answer: APIAnswer, for target: String) {
    if answers.count >= AnswerCache.limit { answers.removeAll(keepingCapacity: true) }
    answers[target] = answer
  }

  mutating func clear() {
    if !answers.isEmpty { answers.removeAll(keepingCapacity: true) }
  }
}
