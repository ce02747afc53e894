import CLinux

/// What a descriptor is waited for, and what it turned out to be ready for.
package struct Readiness: OptionSet, Sendable, Hashable {
  package let rawValue: UInt8

  /// Every combination of the bits below is meaningful.
  package init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// As good as `[]`, which is made by a generic initialiser each time.
  package static let none = Readiness()
  /// Bytes, an end of stream or a new connection can be read.
  package static let readable = Readiness(rawValue: 1)
  /// Bytes can be written, or a connection attempt has ended.
  package static let writable = Readiness(rawValue: 2)
  /// `readable` and `writable`, made once: a union of the two is made by generic code each time.
  package static let both = Readiness(rawValue: 3)
  /// The descriptor has failed or the peer has hung up.
  ///
  /// Reported without being asked for, always together with `readable` and `writable`, so that
  /// whoever waits tries and meets the error.
  package static let failed = Readiness(rawValue: 4)

  /// The bits that epoll wants for this interest.
  var epollMask: UInt32 {
    var mask: UInt32 = 0
    if contains(.readable) { mask |= EPOLLIN.rawValue }
    if contains(.writable) { mask |= EPOLLOUT.rawValue }
    return mask
  }

  /// What epoll reported.
  init(epollEvents events: UInt32) {
    if events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 {
      rawValue = 7
    } else {
      let isReadable = events & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue) != 0
      rawValue = (isReadable ? 1 : 0) | (events & EPOLLOUT.rawValue != 0 ? 2 : 0)
    }
  }
}
