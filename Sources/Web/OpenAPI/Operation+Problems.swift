extension Operation {
  /// What every request may be refused with before it is looked at.
  static let ofListener: [ProblemCode] = [
    .malformedRequest, .badTarget, .badHost, .badFraming, .methodNotAllowed, .tooSlow,
    .bodyTooLarge, .expectationFailed, .headTooLarge, .overloaded, .versionNotSupported,
  ]

  /// Its own refusals, and those that follow from who may call it and what it takes.
  var refusals: [ProblemCode] {
    var found = problems
    if chapter != .gateway { found.append(.badRequest) }
    switch access {
    case .open: break
    case .openable(let ability):
      found += [.keyInvalid, .databaseUnavailable]
      if ability != nil { found.append(.grantMissing) }
    case .ability: found += [.keyInvalid, .databaseUnavailable, .grantMissing]
    }
    for code in Self.ofListener where !found.contains(code) { found.append(code) }
    return found
  }

  /// ``refusals`` by status, ascending.
  var refusalsByStatus: [(status: Int, codes: [ProblemCode])] {
    Dictionary(grouping: refusals, by: \.status).sorted { $0.key < $1.key }
      .map { ($0.key, $0.value) }
  }
}
