import CCurl
import Fields

/// Header lines laid out for libcurl in one piece of memory that is used again and again.
///
/// libcurl neither copies nor frees the list, so it must not change during a transfer.
@safe struct HeaderBlock: ~Copyable {
  private var text: UnsafeMutablePointer<CChar>
  private var textCapacity: Int
  private var nodes: UnsafeMutablePointer<curl_slist>
  private var nodeCapacity: Int

  init() {
    textCapacity = 2048
    nodeCapacity = 32
    unsafe text = .allocate(capacity: textCapacity)
    unsafe nodes = .allocate(capacity: nodeCapacity)
  }

  deinit {
    unsafe text.deallocate()
    unsafe nodes.deallocate()
  }

  /// What libcurl adds unless told not to.
  private static let silenced = ["Expect:"]
  private static let silencedWithAccept = silenced + ["Accept:"]

  /// Lays out the fields, and the lines that keep libcurl from adding its own.
  ///
  /// - Returns: the list, valid until the next call.
  mutating func layOut(_ fields: FieldSection) -> UnsafeMutablePointer<curl_slist> {
    let silenced = fields.has(.accept) ? Self.silenced : Self.silencedWithAccept
    reserve(fields, silenced)
    var lines = unsafe Lines(text: text, nodes: nodes)
    for line in silenced {
      lines.begin()
      lines.append(line)
      lines.finish()
    }
    let bytes = fields.bytes.span
    for line in fields.lines {
      lines.begin()
      if line.valueRange.isEmpty {
        // `Name:` would take a header away; `Name;` sends one without a value.
        lines.append(bytes.extracting(line.nameRange))
        lines.append(";")
      } else {
        lines.append(bytes.extracting(line.range))
      }
      lines.finish()
    }
    return unsafe nodes
  }

  private mutating func reserve(_ fields: FieldSection, _ silenced: [String]) {
    var bytes = silenced.reduce(0) { $0 + $1.utf8.count + 1 }
    for line in fields.lines { bytes += line.range.count + 1 }
    if bytes > textCapacity {
      unsafe text.deallocate()
      textCapacity = bytes * 2
      unsafe text = .allocate(capacity: textCapacity)
    }
    let count = silenced.count + fields.count
    if count > nodeCapacity {
      unsafe nodes.deallocate()
      nodeCapacity = count * 2
      unsafe nodes = .allocate(capacity: nodeCapacity)
    }
  }
}

/// Writes NUL-terminated lines one behind the other and links them.
@safe private struct Lines {
  private var end: UnsafeMutablePointer<CChar>
  private let nodes: UnsafeMutablePointer<curl_slist>
  private var count = 0

  init(text: UnsafeMutablePointer<CChar>, nodes: UnsafeMutablePointer<curl_slist>) {
    unsafe end = text
    unsafe self.nodes = nodes
  }

  mutating func begin() {
    unsafe nodes[count] = unsafe curl_slist(data: end, next: nil)
    if count > 0 { unsafe nodes[count - 1].next = unsafe nodes + count }
    count += 1
  }

  mutating func append(_ piece: String) { append(piece.utf8.span) }

  mutating func append(_ bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBytes { bytes in
      unsafe UnsafeMutableRawBufferPointer(start: end, count: bytes.count).copyMemory(from: bytes)
    }
    unsafe end += bytes.count
  }

  mutating func finish() {
    unsafe end.pointee = 0
    unsafe end += 1
  }
}
