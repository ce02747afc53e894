package import Base
import Vault

/// The form of a spool file: a head, whose record it is, the sealed record, and a checksum of all
/// of it.
///
/// A record of several installations has an empty app and store.
///
/// `LKSPOOL1 | length of the rest before the checksum (4) | length, app | length, store | sealed |
/// SHA-256 (32)`, numbers big-endian. The checksum tells a torn file from one that was sealed with
/// another key.
package struct SpoolFrame: Hashable, Sendable {
  /// `nil`: of several.
  package let installation: InstallationID?
  package let sealed: [UInt8]

  package init(installation: InstallationID?, sealed: [UInt8]) {
    self.installation = installation
    self.sealed = sealed
  }

  /// Why a file is no record.
  package enum Damage: Error, Hashable {
    /// It ends too early.
    case truncated
    /// It is whole, but not what was written.
    case altered
    /// Not a record of this version.
    case unknownForm
  }

  /// No record comes near: the largest are deliveries that were written together.
  package static let maxLength = 16 * 1024 * 1024

  private static let magic = Array("LKSPOOL1".utf8)
  private static let checksumLength = 32

  /// The file's bytes.
  package var bytes: [UInt8] {
    var body: [UInt8] = []
    for text in [installation?.app.text ?? "", installation?.store.text ?? ""] {
      body.append(UInt8(text.utf8.count))
      body.append(contentsOf: text.utf8)
    }
    body.append(contentsOf: sealed)
    let length = UInt32(body.count)
    let head = SpoolFrame.magic + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) }
    return head + body + KeyDigest(of: head + body).bytes
  }

  /// Reads a file.
  package init(bytes: [UInt8]) throws(Damage) {
    guard bytes.count >= SpoolFrame.magic.count else { throw .truncated }
    guard bytes.starts(with: SpoolFrame.magic) else { throw .unknownForm }
    guard bytes.count >= 12 else { throw .truncated }
    let length = bytes[8..<12].reduce(0) { $0 << 8 | Int($1) }
    let end = 12 + length
    guard length <= SpoolFrame.maxLength else { throw .altered }
    guard bytes.count >= end + SpoolFrame.checksumLength else { throw .truncated }
    guard bytes.count == end + SpoolFrame.checksumLength,
      KeyDigest(of: Array(bytes[..<end])).bytes.elementsEqual(bytes[end...])
    else { throw .altered }
    var rest = bytes[12..<end]
    guard let app = SpoolFrame.text(&rest), let store = SpoolFrame.text(&rest) else {
      throw .altered
    }
    if app.isEmpty, store.isEmpty {
      installation = nil
    } else {
      guard let app = AppName(app), let store = StoreHash(store) else { throw .altered }
      installation = InstallationID(app: app, store: store)
    }
    sealed = Array(rest)
  }

  private static func text(_ rest: inout ArraySlice<UInt8>) -> String? {
    guard let length = rest.popFirst().map(Int.init), rest.count >= length else { return nil }
    defer { rest = rest.dropFirst(length) }
    return String(decoding: rest.prefix(length), as: UTF8.self)
  }
}
