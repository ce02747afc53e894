import CCurl

extension CurlError {
  /// What libcurl's code means for the caller.
  ///
  /// - Parameters:
  ///   - code: the result of the transfer, not `CURLE_OK` unless the answer is incomplete.
  ///   - hasBegun: whether the connection stood and the request began to leave.
  init(_ code: CURLcode, hasBegun: Bool) {
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: self = .resolveFailed
    case CURLE_COULDNT_CONNECT where !hasBegun: self = .connectFailed
    case CURLE_OPERATION_TIMEDOUT where !hasBegun: self = .connectTimeout
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
      CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CRL_BADFILE, CURLE_SSL_ISSUER_ERROR,
      CURLE_USE_SSL_FAILED, CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED,
      CURLE_SSL_INVALIDCERTSTATUS:
      self = hasBegun ? .broken : .tlsFailed
    case CURLE_SEND_ERROR, CURLE_SEND_FAIL_REWIND: self = hasBegun ? .sendFailed : .connectFailed
    case CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_WEIRD_SERVER_REPLY,
      CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_CONTENT_ENCODING, CURLE_OPERATION_TIMEDOUT,
      CURLE_COULDNT_CONNECT, CURLE_WRITE_ERROR, CURLE_OK:
      self = hasBegun ? .broken : .connectFailed
    case CURLE_FILESIZE_EXCEEDED: self = .tooLarge
    // What 7.88 says of a header line beyond 100 KiB; later ones have a code of their own.
    case CURLE_OUT_OF_MEMORY where hasBegun, Self.tooLargeCode: self = .tooLarge
    default: self = .failed(code: Int32(bitPattern: code.rawValue))
    }
  }

  /// `CURLE_TOO_LARGE`, which the headers of 7.88 do not know.
  private static let tooLargeCode = CURLcode(100)

  /// Throws unless an option was accepted.
  static func check(_ code: CURLcode) throws(CurlError) {
    guard code == CURLE_OK else { throw .failed(code: Int32(bitPattern: code.rawValue)) }
  }

  /// Throws unless a call for a multi handle went well.
  static func check(_ code: CURLMcode) throws(CurlError) {
    guard code == CURLM_OK else { throw .failed(code: -code.rawValue) }
  }
}
