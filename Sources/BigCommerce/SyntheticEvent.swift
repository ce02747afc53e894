package import Base

/// What a comparison found that no webhook told.
package struct SyntheticEvent: Hashable, Sendable {
  /// What can be told of a record from its dates; its deletion is not among it.
  package enum Kind: String, CaseIterable, Hashable, Sendable {
    case created, updated, statusUpdated
  }

  /// A scope, as the platform would have named it.
  package let type: String
  package let resourceID: Int64
  /// When the record was last changed, by the platform's clock.
  package let occurredAt: Timestamp
  /// In the platform's form.
  package let data: JSONValue

  /// What to tell of a record so that whoever reads the feed knows of its last change.
  ///
  /// It is told once for each form of scope that is wanted, plain and of the order's channel: that it
  /// was created, if that was since `start` and nobody told; else that it was updated, if nothing
  /// told of it since it was. Where the app hears of statuses only, an order's status may have
  /// changed: which one it was before nobody can say.
  ///
  /// `scopes` are what the app wants to hear of. Where it cannot be read when the record was changed,
  /// it is taken for `fallback`. `known` says when the newest event of a type happened, as far as the
  /// feed has one of the record.
  package static func missing(
    _ record: ComparedRecord, of resource: ComparedResource, wanted scopes: [HookScope],
    since start: Timestamp, fallback: Timestamp, known: (_ type: String) -> Timestamp?
  ) -> [SyntheticEvent] {
    let modified = record.modifiedAt ?? record.createdAt ?? fallback
    return forms(of: record, resource).compactMap { form in
      let kinds = resource.kinds(of: form.prefix, among: scopes)
      let isNew = record.createdAt.map { $0 >= start } ?? false
      func told(_ kind: Kind) -> Timestamp? { known("\(form.prefix)/\(kind.rawValue)") }
      let kind: Kind
      if kinds.contains(.created), isNew, told(.created) == nil {
        kind = .created
      } else {
        guard let later = kinds.contains(.updated) ? .updated : kinds.last, later != .created
        else { return nil }
        let newest = [told(.created), told(later)].compactMap { $0 }.max()
        guard newest.map({ $0 < modified }) ?? true else { return nil }
        kind = later
      }
      return SyntheticEvent(
        type: "\(form.prefix)/\(kind.rawValue)", resourceID: record.id, occurredAt: modified,
        data: .object(
          form.members
            + (kind == .statusUpdated ? [.init("status", status(of: record))] : [])))
    }
  }

  /// The types of which ``missing`` wants to know whether the feed has them.
  package static func types(
    of records: [ComparedRecord], _ resource: ComparedResource
  ) -> Set<String> {
    var prefixes = Set<String>()
    for record in records { prefixes.formUnion(forms(of: record, resource).map(\.prefix)) }
    return Set(prefixes.flatMap { prefix in Kind.allCases.map { "\(prefix)/\($0.rawValue)" } })
  }

  private static func forms(
    of record: ComparedRecord, _ resource: ComparedResource
  ) -> [(prefix: String, members: [JSONValue.Member])] {
    let id = JSONValue.integer(record.id)
    let family = resource.family
    let plain = (
      prefix: "store/\(family)",
      members: [JSONValue.Member("type", .string(family)), .init("id", id)]
    )
    guard resource == .orders, let channel = record.channel else { return [plain] }
    return [plain, ("store/channel/\(channel)/\(family)", [.init("\(family)_id", id)])]
  }

  private static func status(of record: ComparedRecord) -> JSONValue {
    [
      "previous_status_id": .null,
      "new_status_id": record.status.map { .integer($0) } ?? .null,
    ]
  }
}
