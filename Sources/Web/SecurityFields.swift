import Fields
import HTTPTypes
import NIOCore

/// The fields that tell browsers to do nothing with an answer that we did not mean; on every
/// answer.
struct SecurityFields: Sendable {
  private let section: FieldSection
  /// The same as the web framework has them.
  private let fields: HTTPFields

  /// - Parameter speaker: what `Latchkey-Origin` says of answers that do not say it themselves; the
  ///   internal listener's only.
  init(speaker: String?) {
    var section: FieldSection = [
      .contentTypeOptions: "nosniff", .referrerPolicy: "no-referrer", .cacheControl: "no-store",
      .contentSecurityPolicy: "default-src 'none'; frame-ancestors 'none'",
    ]
    if let speaker { section.append(.latchkeyOrigin, speaker) }
    self.section = section
    fields = section.httpFields
  }

  /// Adds what the answer does not say itself.
  func apply(to headers: inout HTTPFields) {
    for field in fields where !headers.has(field.name) { headers.append(field) }
  }

  /// Writes what an answer that has fields of these names does not say itself.
  func write(besides names: FieldNameSet, to out: inout ByteBuffer) {
    section.write(to: &out) { !names.contains($0.name) }
  }

  /// The fields as they go out, one line each.
  var lines: String { section.pairs.map { "\($0.name): \($0.value)\r\n" }.joined() }
}

extension FieldSection {
  /// Writes the fields that pass as they go out.
  func write(to out: inout ByteBuffer, where passes: (Line) -> Bool) {
    forEachPiece(where: passes) { out.writeBytes($0) }
  }
}
