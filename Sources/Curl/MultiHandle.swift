import CCurl

/// Owns one libcurl multi handle.
@safe final class MultiHandle {
  /// A transfer that libcurl has ended.
  struct Done {
    let easy: EasyHandle
    let code: CURLcode
  }

  private let raw: UnsafeMutableRawPointer

  init(settings: CurlSettings) throws(CurlError) {
    guard let raw = unsafe curl_multi_init() else {
      throw .failed(code: -CURLM_OUT_OF_MEMORY.rawValue)
    }
    unsafe self.raw = unsafe raw
    let connections = settings.maxConnectionsPerLoop
    try CurlError.check(unsafe curl_shim_multi_set_long(raw, CURLMOPT_MAXCONNECTS, connections))
    try CurlError.check(
      unsafe curl_shim_multi_set_long(raw, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING)))
  }

  /// Closes all connections.
  ///
  /// Not left to `deinit`: it calls back to the engine. To be called once, when no transfer is
  /// left.
  func close() {
    _ = unsafe curl_multi_cleanup(raw)
  }

  /// Tells libcurl whom to tell about sockets and timers.
  ///
  /// `engine` outlives this handle.
  func setCallbacks(_ engine: Engine) throws(CurlError) {
    let context = unsafe Unmanaged.passUnretained(engine).toOpaque()
    let socket: curl_socket_callback = { easy, fd, what, context, _ in
      guard let context = unsafe context else { return -1 }
      let engine = unsafe Unmanaged<Engine>.fromOpaque(context).takeUnretainedValue()
      engine.watchSocket(fd, what, for: unsafe easy.flatMap { unsafe MultiHandle.owner(of: $0) })
      return 0
    }
    let timer: curl_multi_timer_callback = { _, milliseconds, context in
      guard let context = unsafe context else { return -1 }
      let engine = unsafe Unmanaged<Engine>.fromOpaque(context).takeUnretainedValue()
      engine.noteTimer(milliseconds)
      return 0
    }
    try CurlError.check(unsafe curl_shim_multi_set_socket(raw, socket, context))
    try CurlError.check(unsafe curl_shim_multi_set_timer(raw, timer, context))
  }

  /// Starts a transfer.
  func add(_ easy: EasyHandle) throws(CurlError) {
    try CurlError.check(unsafe curl_multi_add_handle(raw, easy.raw))
  }

  /// Ends a transfer.
  ///
  /// Closes its connection unless the exchange was complete.
  func remove(_ easy: EasyHandle) {
    // Fails only for handles that are not in here, or from within a callback.
    let code = unsafe curl_multi_remove_handle(raw, easy.raw)
    precondition(code == CURLM_OK, "a transfer cannot be removed")
  }

  /// A socket is ready.
  func act(on fd: Int32, _ events: Int32) {
    var running: Int32 = 0
    // What can go wrong here belongs to a transfer, which will be reported as done.
    _ = unsafe curl_multi_socket_action(raw, fd, events, &running)
  }

  /// The timer is due.
  func actOnTimer() {
    var running: Int32 = 0
    _ = unsafe curl_multi_socket_action(raw, -1, 0, &running)
  }

  /// All transfers that have ended since the last call.
  func takeDone() -> [Done] {
    var done: [Done] = []
    var code = CURLE_OK
    while let easy = unsafe curl_shim_multi_next_done(raw, &code) {
      guard let owner = unsafe Self.owner(of: easy) else { continue }
      done.append(Done(easy: owner, code: code))
    }
    return done
  }

  /// The owner of a handle; `nil` for the one that libcurl keeps for itself.
  private static func owner(of easy: UnsafeMutableRawPointer) -> EasyHandle? {
    guard let context = unsafe curl_shim_private(easy) else { return nil }
    return unsafe Unmanaged<EasyHandle>.fromOpaque(context).takeUnretainedValue()
  }
}
