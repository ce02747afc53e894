package import HTTPTypes

/// The path of a route; a segment `{…}` stands for exactly one, whatever it is.
package struct PathTemplate: Sendable {
  let segments: [Substring]

  /// Segments with `/` between, none at either end.
  package init(_ text: some StringProtocol) {
    segments = text.split(separator: "/").map { Substring($0) }
  }

  /// The segments in the places of `{…}`, or `nil` when the path is another's.
  package func arguments(of path: [String]) -> [String]? {
    guard path.count == segments.count else { return nil }
    var arguments: [String] = []
    for (part, segment) in zip(segments, path) {
      if part.hasPrefix("{") {
        arguments.append(segment)
      } else if part != segment {
        return nil
      }
    }
    return arguments
  }
}

/// A route that is found by method and path.
package protocol TemplatedRoute {
  var method: HTTPRequest.Method { get }
  var template: PathTemplate { get }
}

extension Sequence where Element: TemplatedRoute {
  /// The routes of a path, each with its arguments, whatever their methods.
  ///
  /// What is written out goes before what stands for anything.
  func matches(of path: [String]) -> [(route: Element, arguments: [String])] {
    let all = compactMap { route in
      route.template.arguments(of: path).map { (route: route, arguments: $0) }
    }
    let fewest = all.map(\.arguments.count).min()
    return all.filter { $0.arguments.count == fewest }
  }
}
