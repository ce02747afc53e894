import Glibc

/// The variables that the process was started with.
package enum ProcessEnvironment {
  /// Names and values; entries that are not UTF-8 or have no `=` are repaired or left out.
  package static func variables() -> [String: String] {
    var variables: [String: String] = [:]
    var entry = unsafe environ
    while let text = unsafe entry.pointee {
      let line = unsafe String(cString: text)
      if let equals = line.firstIndex(of: "=") {
        variables[String(line[..<equals])] = String(line[line.index(after: equals)...])
      }
      unsafe entry += 1
    }
    return variables
  }
}
