import Base
import CCurl
import Glibc

// libcurl calls back on the loop's thread only, from within a call that the engine made. The
// context is the handle's owner (or the engine), which outlives the handle, so it is passed
// unretained.

extension EasyHandle {
  /// Tells libcurl whom to call; once per handle.
  func setCallbacks() throws(CurlError) {
    let me = unsafe Unmanaged.passUnretained(self).toOpaque()
    for option in [
      CURLOPT_PRIVATE, CURLOPT_HEADERDATA, CURLOPT_WRITEDATA, CURLOPT_READDATA, CURLOPT_SEEKDATA,
      CURLOPT_PREREQDATA, CURLOPT_OPENSOCKETDATA,
    ] {
      try CurlError.check(unsafe curl_shim_set_pointer(raw, option, me))
    }
    // A connection may outlive the handle that opened it, but not the engine.
    let engine = unsafe Unmanaged.passUnretained(engine).toOpaque()
    try CurlError.check(unsafe curl_shim_set_pointer(raw, CURLOPT_CLOSESOCKETDATA, engine))
    try setBodyCallbacks()
    try setConnectionCallbacks()
  }

  /// The owner of the handle that calls.
  private static func owner(_ context: UnsafeMutableRawPointer?) -> EasyHandle? {
    guard let context = unsafe context else { return nil }
    return unsafe Unmanaged<EasyHandle>.fromOpaque(context).takeUnretainedValue()
  }

  /// What the engine cannot see but has to act on, now or after libcurl's call.
  private func tellEngine(about transfer: Transfer) {
    if transfer.takePhaseChange() { engine.noteDeadline(of: self) }
    if transfer.isUploadReleased && (transfer.isUploadPaused || transfer.isAnswerComplete) {
      engine.noteRefused(transfer)
    }
  }

  /// A line of a head or of trailers; `false` stops the transfer.
  private func takeLine(_ line: Span<UInt8>) -> Bool {
    guard let transfer, transfer.takeLine(line) else { return false }
    tellEngine(about: transfer)
    return true
  }

  private func setBodyCallbacks() throws(CurlError) {
    let header: curl_write_callback = { bytes, size, count, context in
      guard let bytes = unsafe bytes, let context = unsafe context else {
        return Int(CURL_WRITEFUNC_ERROR)
      }
      let line = unsafe UnsafeBufferPointer(
        start: UnsafeRawPointer(bytes).assumingMemoryBound(to: UInt8.self), count: size * count)
      // Called for each line, and the owner is there for as long as the handle.
      let isFine = unsafe Unmanaged<EasyHandle>.fromOpaque(context)._withUnsafeGuaranteedRef {
        unsafe $0.takeLine(line.span)
      }
      return isFine ? size * count : Int(CURL_WRITEFUNC_ERROR)
    }
    let write: curl_write_callback = { bytes, size, count, context in
      guard let owner = unsafe EasyHandle.owner(context), let transfer = owner.transfer else {
        return Int(CURL_WRITEFUNC_ERROR)
      }
      let bytes = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
      defer { owner.tellEngine(about: transfer) }
      return unsafe transfer.takeBody(bytes)
    }
    let read: curl_read_callback = { bytes, size, count, context in
      guard let transfer = unsafe EasyHandle.owner(context)?.transfer else {
        return Int(CURL_READFUNC_ABORT)
      }
      let target = unsafe UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
      return unsafe transfer.giveBody(into: target)
    }
    let seek: curl_seek_callback = { context, offset, origin in
      guard offset == 0, origin == SEEK_SET,
        let transfer = unsafe EasyHandle.owner(context)?.transfer, transfer.rewind()
      else { return CURL_SEEKFUNC_FAIL }
      return CURL_SEEKFUNC_OK
    }
    try CurlError.check(unsafe curl_shim_set_write(raw, CURLOPT_HEADERFUNCTION, header))
    try CurlError.check(unsafe curl_shim_set_write(raw, CURLOPT_WRITEFUNCTION, write))
    try CurlError.check(unsafe curl_shim_set_read(raw, read))
    try CurlError.check(unsafe curl_shim_set_seek(raw, seek))
  }

  private func setConnectionCallbacks() throws(CurlError) {
    let begin: curl_prereq_callback = { context, _, _, _, _ in
      guard let owner = unsafe EasyHandle.owner(context), let transfer = owner.transfer,
        transfer.begin()
      else { return CURL_PREREQFUNC_ABORT }
      owner.tellEngine(about: transfer)
      return CURL_PREREQFUNC_OK
    }
    let open: curl_opensocket_callback = { context, purpose, address in
      guard let address = unsafe address, purpose == CURLSOCKTYPE_IPCXN,
        let owner = unsafe EasyHandle.owner(context), let transfer = owner.transfer
      else { return -1 }
      let wanted = unsafe SocketAddress(address)
      guard transfer.mayConnect(to: wanted.address) else { return -1 }
      return owner.engine.openSocket(wanted, for: transfer.id)
    }
    let close: curl_closesocket_callback = { context, fd in
      guard let context = unsafe context else { return 1 }
      unsafe Unmanaged<Engine>.fromOpaque(context).takeUnretainedValue().closeSocket(fd)
      return 0
    }
    try CurlError.check(unsafe curl_shim_set_prereq(raw, begin))
    try CurlError.check(unsafe curl_shim_set_open_socket(raw, open))
    try CurlError.check(unsafe curl_shim_set_close_socket(raw, close))
  }
}

/// What libcurl is about to connect to.
struct SocketAddress {
  let family: Int32
  let type: Int32
  let transport: Int32
  /// `nil` for anything but IPv4 and IPv6.
  let address: IPAddress?

  init(_ address: UnsafeMutablePointer<curl_sockaddr>) {
    family = unsafe address.pointee.family
    type = unsafe address.pointee.socktype
    transport = unsafe address.pointee.protocol
    // The structure ends with one `sockaddr`; what it stands for may be longer.
    let offset = MemoryLayout<curl_sockaddr>.offset(of: \.addr) ?? 0
    let bytes = unsafe UnsafeRawBufferPointer(
      start: UnsafeRawPointer(address) + offset, count: Int(address.pointee.addrlen))
    self.address =
      switch family {
      // Behind family (2) and port (2): the address.
      case AF_INET: unsafe bytes.count >= 8 ? IPAddress(bytes: bytes[4..<8]) : nil
      // Behind family (2), port (2) and flow (4): the address.
      case AF_INET6: unsafe bytes.count >= 24 ? IPAddress(bytes: bytes[8..<24]) : nil
      default: nil
      }
  }
}
