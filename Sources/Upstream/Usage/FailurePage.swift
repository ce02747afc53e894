import Base
import Storage

/// The newest failed calls of one event loop, a few of each store and kind.
struct FailurePage: Sendable {
  private struct Place: Hashable, Sendable {
    let installation: InstallationID
    let kind: String
  }

  private var places: [Place: [FailedCall]] = [:]
  /// How many calls there are.
  private(set) var count = 0

  /// Takes a call in, in the place of an older one where there are as many of its store and kind as
  /// are kept.
  ///
  /// - Returns: `false` when the page holds `limit` calls and has none of that store and kind.
  mutating func add(_ call: FailedCall, limit: Int) -> Bool {
    let place = Place(installation: call.installation, kind: call.kind)
    let known = places[place]?.count ?? 0
    if known == CallFailures.kept {
      places[place]?.removeFirst()
    } else {
      guard count < limit else { return false }
      count += 1
    }
    places[place, default: []].append(call)
    return true
  }

  /// The newest of each store and kind on several pages.
  static func newest(of pages: [FailurePage]) -> [FailedCall] {
    var places: [Place: [FailedCall]] = [:]
    for page in pages { places.merge(page.places) { $0 + $1 } }
    return places.values.flatMap { calls in
      calls.sorted { $0.at < $1.at }.suffix(CallFailures.kept)
    }
  }
}
