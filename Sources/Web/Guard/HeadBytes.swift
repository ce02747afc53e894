import Fields

func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

/// Decides whether a byte may stand in `Host`: names, addresses, ports; no user info, no list.
func isHostByte(_ byte: UInt8) -> Bool {
  switch byte {
  case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
  case 0x2D, 0x2E, 0x5F, 0x7E, 0x25, 0x3A, 0x5B, 0x5D: true  // - . _ ~ % : [ ]
  default: false
  }
}

extension Span<UInt8> {
  func all(_ test: (UInt8) -> Bool) -> Bool {
    for index in indices where !test(self[index]) { return false }
    return true
  }

  /// Whether a comma-separated list holds `item`, which is in lower case, in any case.
  func hasListItem(_ item: String) -> Bool {
    var start = 0
    while start <= count {
      var end = start
      while end < count, self[end] != UInt8(ascii: ",") { end += 1 }
      let entry = extracting(start..<end)
      if entry.extracting(entry.trimmedRange).isField(item) { return true }
      start = end + 1
    }
    return false
  }
}
