/// Why a request got no complete answer.
package enum CurlError: Error, Equatable, Sendable {
  /// The method, the target, a header or the body of the request may not be sent as it is.
  case invalidRequest
  /// The name of the server has no address.
  case resolveFailed
  /// Every address of the server is one that the request may not connect to, or did not answer.
  case addressRefused
  /// The server does not accept connections.
  case connectFailed
  /// No connection within `CurlSettings.connectTimeout`, or before a deadline of the request.
  case connectTimeout
  /// The TLS handshake failed: the certificate is not trusted or is for another name, or the server
  /// does not speak TLS.
  case tlsFailed
  /// The TLS handshake took longer than `CurlSettings.tlsTimeout`.
  case tlsTimeout
  /// The connection broke while the request was being sent.
  case sendFailed
  /// The request's own body stream failed, or had another length than announced.
  case uploadFailed
  /// The response head did not come before the request's deadline.
  case firstByteTimeout
  /// No byte moved for `CurlSettings.stallTimeout`, although nobody on this side held it back.
  case stalled
  /// The whole exchange took longer than the request allows.
  case totalTimeout
  /// The answer is malformed or truncated, or the connection ended without one.
  case broken
  /// The head or the body of the answer is larger than allowed.
  case tooLarge
  /// The caller was cancelled, or let go of the response body.
  case cancelled
  /// The client was shut down. `sent`: whether bytes of the request may have left.
  case shutDown(sent: Bool)
  /// The installed libcurl cannot be used; the text says why.
  case unusableLibrary(String)
  /// libcurl reported something else; `code` is its `CURLcode` (or `CURLMcode`, negated).
  case failed(code: Int32)

  /// Whether bytes of the request may have left: `false` means that certainly none did.
  package var wasSent: Bool {
    switch self {
    case .invalidRequest, .resolveFailed, .addressRefused, .connectFailed, .connectTimeout,
      .tlsFailed, .tlsTimeout,
      .unusableLibrary:
      false
    case .sendFailed, .uploadFailed, .firstByteTimeout, .stalled, .totalTimeout, .broken,
      .tooLarge, .cancelled, .failed:
      true
    case .shutDown(let sent): sent
    }
  }
}
