import CCurl

/// The libcurl that is installed.
enum CurlLibrary {
  /// What we need of it.
  struct Facts: Equatable {
    var version: UInt32
    var hasBackgroundNames: Bool
    var hasTLS: Bool

    /// Why it cannot be used; `nil` when it can.
    var objection: String? {
      // 7.87 brought CURLOPT_QUICK_EXIT.
      if version < 0x07_57_00 { return "libcurl is older than 7.87" }
      if !hasBackgroundNames { return "libcurl looks names up in the foreground (no ASYNCHDNS)" }
      return hasTLS ? nil : "libcurl has no TLS"
    }
  }

  /// The library's own words about itself; `nil` when it could not be initialised.
  static let facts: Facts? = {
    guard curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK,
      let info = unsafe curl_shim_version()
    else { return nil }
    let features = unsafe info.pointee.features
    return Facts(
      version: unsafe info.pointee.version_num,
      hasBackgroundNames: features & Int32(CURL_VERSION_ASYNCHDNS) != 0,
      hasTLS: features & Int32(CURL_VERSION_SSL) != 0)
  }()

  /// Refuses a library that would block an event loop or cannot protect a request.
  static func check() throws(CurlError) {
    guard let facts else { throw .unusableLibrary("libcurl cannot be initialised") }
    if let objection = facts.objection { throw .unusableLibrary(objection) }
  }
}
