import CCurl
import Glibc
import Reactor

extension Engine {
  /// A socket that is watched for libcurl, or that it opened.
  final class Socket {
    let fd: Int32
    /// Whether it is a connection, which libcurl closes through `closeSocket`.
    let isConnection: Bool
    /// The transfer that libcurl last mentioned with it.
    var user: TransferID?
    /// For which transfer it is being connected; `nil` once it stands.
    var opener: TransferID?
    var registration: Registration?
    /// What the reactor watches.
    var watched = Readiness.none
    /// What libcurl wants; nothing while the connection is idle.
    var wanted = Readiness.none

    init(_ fd: Int32, isConnection: Bool, opener: TransferID? = nil) {
      self.fd = fd
      self.isConnection = isConnection
      self.opener = opener
    }

    func stopWatching() {
      registration?.cancel()
      registration = nil
      watched = .none
    }
  }

  /// Opens a socket that no child process inherits.
  func openSocket(_ address: SocketAddress, for opener: TransferID) -> Int32 {
    let type = address.type | Int32(SOCK_CLOEXEC.rawValue)
    let fd = socket(address.family, type, address.transport)
    guard fd >= 0 else { return fd }
    // libcurl 7.88 closes a socket that was never connected without telling; its number may be this
    // one.
    sockets[fd]?.stopWatching()
    sockets[fd] = Socket(fd, isConnection: true, opener: opener)
    return fd
  }

  /// Closes a connection's socket, which is no longer watched before its number is free.
  func closeSocket(_ fd: Int32) {
    sockets[fd]?.stopWatching()
    sockets[fd] = nil
    _ = close(fd)
  }

  /// libcurl's socket callback.
  ///
  /// - Parameters:
  ///   - fd: what is to be watched.
  ///   - what: for what, in libcurl's words.
  ///   - easy: whose transfer it is for; `nil` when a connection is closed for nobody's sake.
  func watchSocket(_ fd: Int32, _ what: Int32, for easy: EasyHandle?) {
    let socket = record(of: fd)
    socket.wanted = Self.readiness(what)
    if let user = easy?.transfer?.id { socket.user = user }
    if socket.wanted.isEmpty && (!socket.isConnection || socket.opener != nil) {
      // A descriptor of libcurl's own: it may be closed as soon as this returns. One that was never
      // connected is closed already, and libcurl 7.88 does not use our callback for that.
      socket.stopWatching()
      sockets[fd] = nil
      if let opener = socket.opener { noteFailedAddress(of: opener) }
      return
    }
    // Only a connection that stands has something to be read: the first words of TLS.
    if socket.wanted.contains(.readable), let opener = socket.opener {
      socket.opener = nil
      note(connected: opener)
    }
    // An idle connection stays watched for reading: the next request finds it so, without a
    // system call, and when its peer closes it we hear of it. One that is held back does not.
    let isHeldBack = easy?.transfer?.isDownloadPaused ?? false
    watch(socket, socket.wanted.isEmpty && !isHeldBack ? .readable : socket.wanted)
  }

  /// The socket of that number; one that libcurl did not open through `openSocket` is its own.
  private func record(of fd: Int32) -> Socket {
    if let known = sockets[fd] { return known }
    let own = Socket(fd, isConnection: false)
    sockets[fd] = own
    return own
  }

  private func note(connected transfer: TransferID) {
    guard let opener = handle(of: transfer) else { return }
    do throws(CurlError) {
      try opener.noteConnected()
    } catch {
      // It is a number that libcurl has taken before. If it refused it now, TLS would have less
      // time.
      assertionFailure("libcurl does not take a limit: \(error)")
    }
    noteDeadline(of: opener)
  }

  private func watch(_ socket: Socket, _ interest: Readiness) {
    guard socket.watched != interest else { return }
    do throws(ReactorError) {
      if let registration = socket.registration {
        try registration.update(interest: interest)
      } else {
        socket.registration = try reactor.register(fd: socket.fd, on: loop, interest: interest) {
          // Nothing is watched any more when the engine goes, or the socket; weak references would
          // make each use of them dearer.
          [unowned self, unowned socket] in heard(socket, $0)
        }
      }
      socket.watched = interest
    } catch {
      // The kernel is out of memory or watches. The transfer is not served; its deadline ends it.
      socket.stopWatching()
    }
  }

  private func heard(_ socket: Socket, _ readiness: Readiness) {
    if socket.wanted.isEmpty {
      if socket.isConnection && !isUnderWay(socket.user) { Self.spoil(socket.fd) }
      // Watching on would wake us for nothing.
      socket.stopWatching()
      return
    }
    var events: Int32 = 0
    if readiness.contains(.readable) { events |= CURL_CSELECT_IN }
    if readiness.contains(.writable) { events |= CURL_CSELECT_OUT }
    if readiness.contains(.failed) { events |= CURL_CSELECT_ERR }
    socketIsReady(socket.fd, events)
  }

  /// Makes sure that an idle connection is not used again: its peer has closed it, or has sent what
  /// nobody asked for.
  ///
  /// libcurl 7.88 takes a connection with unread bytes for a good one, and would take the bytes for
  /// the answer to the next request. It looks for an end of stream, so that is what it gets.
  private static func spoil(_ fd: Int32) {
    unsafe withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { scratch in
      for _ in 0..<64 {
        let count = unsafe recv(
          fd, scratch.baseAddress, scratch.count, Int32(MSG_DONTWAIT))
        if count <= 0 { break }
      }
    }
    _ = shutdown(fd, Int32(SHUT_RDWR))
  }

  private static func readiness(_ what: Int32) -> Readiness {
    switch what {
    case CURL_POLL_IN: .readable
    case CURL_POLL_OUT: .writable
    case CURL_POLL_INOUT: .both
    default: .none
    }
  }
}
