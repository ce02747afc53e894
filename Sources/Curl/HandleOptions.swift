import Base
import CCurl

/// One option of a libcurl handle, as a value that can be compared and then set.
struct HandleOption: Equatable {
  /// What an option can be set to.
  enum Value: Equatable {
    case long(Int)
    case offset(Int)
    case text(String)
    /// A string option that shall be empty.
    case noText
  }

  let option: CURLoption
  let value: Value

  static func == (left: HandleOption, right: HandleOption) -> Bool {
    left.option.rawValue == right.option.rawValue && left.value == right.value
  }

  private init(_ option: CURLoption, _ value: Value) {
    self.option = option
    self.value = value
  }

  static func long(_ option: CURLoption, _ value: Int) -> HandleOption {
    HandleOption(option, .long(value))
  }

  static func offset(_ option: CURLoption, _ value: Int) -> HandleOption {
    HandleOption(option, .offset(value))
  }

  static func text(_ option: CURLoption, _ value: String?) -> HandleOption {
    HandleOption(option, value.map { .text($0) } ?? .noText)
  }
}

/// Which options a handle gets.
///
/// What is not set here or by the callbacks is libcurl's default.
enum HandleOptions {
  /// Set once, when a handle is made.
  static func standard(_ settings: CurlSettings) -> [HandleOption] {
    confinement + trust(settings) + plainness + connection(settings)
  }

  /// Set when a handle turns to another origin: `Origin` allows plain HTTP for loopback only.
  static func protocols(for origin: Origin) -> HandleOption {
    .text(CURLOPT_PROTOCOLS_STR, origin.scheme.rawValue)
  }

  /// How long libcurl itself tries to connect, until the TCP connection stands.
  ///
  /// Its servers' addresses are tried in turn, and each gets half of what is left of this. So it
  /// must be our own limit and no more, or an address that swallows everything would take all of
  /// that.
  static func connectLimit(_ settings: CurlSettings) -> HandleOption {
    .long(CURLOPT_CONNECTTIMEOUT_MS, settings.connectTimeout.wholeMilliseconds)
  }

  /// The same once the connection stands: libcurl counts TLS in.
  static func handshakeLimit(_ settings: CurlSettings) -> HandleOption {
    let both = settings.connectTimeout + settings.tlsTimeout
    return .long(CURLOPT_CONNECTTIMEOUT_MS, both.wholeMilliseconds)
  }

  /// Nothing but the origin is ever talked to.
  private static var confinement: [HandleOption] {
    [
      .long(CURLOPT_FOLLOWLOCATION, 0),
      .long(CURLOPT_MAXREDIRS, 0),
      // An empty proxy also switches off what the environment says.
      .text(CURLOPT_PROXY, ""),
      .text(CURLOPT_NOPROXY, "*"),
      .long(CURLOPT_DISALLOW_USERNAME_IN_URL, 1),
      .text(CURLOPT_DEFAULT_PROTOCOL, "https"),
      .long(CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue)),
      .long(CURLOPT_UNRESTRICTED_AUTH, 0),
      .long(CURLOPT_PATH_AS_IS, 1),
    ]
  }

  private static func trust(_ settings: CurlSettings) -> [HandleOption] {
    var options: [HandleOption] = [
      .long(CURLOPT_SSL_VERIFYPEER, 1),
      .long(CURLOPT_SSL_VERIFYHOST, 2),
      .long(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)),
    ]
    if let file = settings.caFile {
      // It takes the place of the system's file; the system's directory stays, with the same ones.
      options.append(.text(CURLOPT_CAINFO, file))
    }
    if let identity = settings.clientIdentity {
      options += [
        .text(CURLOPT_SSLCERT, identity.certificateFile),
        .text(CURLOPT_SSLKEY, identity.privateKeyFile),
      ]
    }
    return options
  }

  /// One HTTP/1.1 exchange, bodies untouched.
  private static var plainness: [HandleOption] {
    [
      .long(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)),
      .long(CURLOPT_HTTP09_ALLOWED, 0),
      .text(CURLOPT_ACCEPT_ENCODING, nil),
      .long(CURLOPT_HTTP_CONTENT_DECODING, 0),
      .long(CURLOPT_HTTP_TRANSFER_DECODING, 1),
      .long(CURLOPT_HEADER, 0),
      .long(CURLOPT_FAILONERROR, 0),
      .long(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1),
      .long(CURLOPT_NOPROGRESS, 1),
      .long(CURLOPT_VERBOSE, 0),
    ]
  }

  private static func connection(_ settings: CurlSettings) -> [HandleOption] {
    [
      .long(CURLOPT_NOSIGNAL, 1),
      // Removing a transfer does not wait for the thread that looks its server's name up.
      .long(CURLOPT_QUICK_EXIT, 1),
      connectLimit(settings),
      // Our own timers decide.
      .long(CURLOPT_TIMEOUT_MS, 0),
      .long(CURLOPT_LOW_SPEED_LIMIT, 0),
      .long(CURLOPT_LOW_SPEED_TIME, 0),
      .long(CURLOPT_TCP_NODELAY, 1),
      .long(CURLOPT_TCP_KEEPALIVE, 1),
      .long(CURLOPT_MAXAGE_CONN, settings.maxIdle.wholeSeconds),
      .long(CURLOPT_MAXLIFETIME_CONN, settings.maxConnectionAge.wholeSeconds),
    ] + (settings.userAgent.map { [.text(CURLOPT_USERAGENT, $0)] } ?? [])
  }
}

extension Duration {
  /// Rounded up, at least 1.
  var wholeMilliseconds: Int {
    let parts = components
    return max(
      1,
      Int(parts.seconds) * 1000
        + Int((parts.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
  }

  /// Rounded up, at least 1.
  var wholeSeconds: Int {
    max(1, (wholeMilliseconds + 999) / 1000)
  }
}
