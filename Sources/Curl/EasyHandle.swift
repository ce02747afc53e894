import Base
import CCurl
import HTTPTypes
import NIOCore

/// Owns one libcurl easy handle, configured once and used for one transfer after the other.
@safe final class EasyHandle {
  private enum Mode {
    case get, head, upload
  }

  let raw: UnsafeMutableRawPointer
  /// Whose transfer it is now; its callbacks go there.
  var transfer: Transfer?
  /// Opens sockets for it.
  ///
  /// Outlives it.
  unowned let engine: Engine

  private var headers = HeaderBlock()
  /// Where its transfers go; libcurl reads it until another one is set.
  private var url: OriginURL?
  private var mode: Mode?
  private var customMethod: String?
  /// Whether libcurl's limit for connecting covers TLS now.
  private var hasHandshakeLimit = false

  init(settings: CurlSettings, engine: Engine) throws(CurlError) {
    guard let raw = unsafe curl_easy_init() else {
      throw .failed(code: Int32(bitPattern: CURLE_OUT_OF_MEMORY.rawValue))
    }
    unsafe self.raw = unsafe raw
    self.engine = engine
    for option in HandleOptions.standard(settings) { try set(option) }
    try setCallbacks()
  }

  deinit {
    unsafe curl_easy_cleanup(raw)
  }

  /// Sets everything that differs from request to request.
  func prepare(_ request: CurlRequest) throws(CurlError) {
    try turn(to: request.origin)
    if hasHandshakeLimit {
      try set(HandleOptions.connectLimit(engine.settings))
      hasHandshakeLimit = false
    }
    try set(.text(CURLOPT_REQUEST_TARGET, request.target))
    try setMethod(request)
    let list = unsafe headers.layOut(request.headers)
    try CurlError.check(unsafe curl_shim_set_headers(raw, list))
  }

  private func turn(to origin: Origin) throws(CurlError) {
    if let url, url.origin == origin { return }
    let new = try OriginURL(origin)
    try set(HandleOptions.protocols(for: origin))
    try CurlError.check(
      unsafe curl_shim_set_pointer(raw, CURLOPT_CURLU, UnsafeMutableRawPointer(new.raw)))
    url = new
  }

  /// The TCP connection stands; from within a callback.
  func noteConnected() throws(CurlError) {
    transfer?.noteConnected()
    try set(HandleOptions.handshakeLimit(engine.settings))
    hasHandshakeLimit = true
  }

  /// Lets libcurl go on with whatever the transfer does not hold back.
  func unpause(_ transfer: Transfer) throws(CurlError) {
    var mask = CURLPAUSE_CONT
    if transfer.isDownloadPaused { mask |= CURLPAUSE_RECV }
    if transfer.isUploadPaused { mask |= CURLPAUSE_SEND }
    try CurlError.check(unsafe curl_easy_pause(raw, mask))
  }

  /// Makes libcurl look at the transfer in its next turn.
  ///
  /// When libcurl 7.88 gives up an address, it opens the next one's socket only when it is called
  /// again, and sets no timer for that. Changing what is paused is the one way to have it called
  /// for this transfer alone.
  ///
  /// - Returns: whether libcurl still has a connection for it; if not, nothing was changed.
  func nudge(_ transfer: Transfer) -> Bool {
    do throws(CurlError) {
      try CurlError.check(unsafe curl_easy_pause(raw, CURLPAUSE_RECV | CURLPAUSE_SEND))
      try unpause(transfer)
      return true
    } catch {
      return false
    }
  }

  private func set(_ option: HandleOption) throws(CurlError) {
    let code =
      switch option.value {
      case .long(let value): unsafe curl_shim_set_long(raw, option.option, value)
      case .offset(let value):
        unsafe curl_shim_set_offset(raw, option.option, curl_off_t(value))
      case .text(let value):
        unsafe value.withCString { unsafe curl_shim_set_text(raw, option.option, $0) }
      case .noText: unsafe curl_shim_set_text(raw, option.option, nil)
      }
    try CurlError.check(code)
  }

  private func setMethod(_ request: CurlRequest) throws(CurlError) {
    let length: Int? =
      switch request.body {
      case .none: Self.announcesEmptyBody(request.method) ? 0 : nil
      case .bytes(let bytes): bytes.readableBytes
      case .stream(let length, _): length ?? -1
      }
    let wanted: Mode = request.method == .head ? .head : length == nil ? .get : .upload
    if mode != wanted { try setMode(wanted) }
    if let length { try set(.offset(CURLOPT_INFILESIZE_LARGE, length)) }
    let name: String? =
      switch wanted {
      case .head: nil
      case .get: request.method == .get ? nil : request.method.rawValue
      case .upload: request.method == .put ? nil : request.method.rawValue
      }
    if customMethod != name {
      try set(.text(CURLOPT_CUSTOMREQUEST, name))
      customMethod = name
    }
  }

  /// Without a body these say `Content-Length: 0`; servers may insist on it (411).
  private static func announcesEmptyBody(_ method: HTTPRequest.Method) -> Bool {
    method == .post || method == .put || method == .patch
  }

  private func setMode(_ wanted: Mode) throws(CurlError) {
    switch wanted {
    case .get: try set(.long(CURLOPT_HTTPGET, 1))
    case .head:
      // NOBODY alone would leave an earlier UPLOAD on.
      try set(.long(CURLOPT_HTTPGET, 1))
      try set(.long(CURLOPT_NOBODY, 1))
    case .upload: try set(.long(CURLOPT_UPLOAD, 1))
    }
    mode = wanted
  }
}
