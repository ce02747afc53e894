/// A data type of the server, by its object ID.
package struct PostgresType: Hashable, Sendable {
  package let objectID: UInt32

  package init(_ objectID: UInt32) {
    self.objectID = objectID
  }

  package static let bool = PostgresType(16)
  package static let bytea = PostgresType(17)
  package static let name = PostgresType(19)
  package static let int8 = PostgresType(20)
  package static let int2 = PostgresType(21)
  package static let int4 = PostgresType(23)
  package static let text = PostgresType(25)
  package static let json = PostgresType(114)
  package static let unknown = PostgresType(705)
  package static let float8 = PostgresType(701)
  package static let int8Array = PostgresType(1016)
  package static let byteaArray = PostgresType(1001)
  package static let textArray = PostgresType(1009)
  package static let bpchar = PostgresType(1042)
  package static let varchar = PostgresType(1043)
  package static let timestamptz = PostgresType(1184)
  package static let interval = PostgresType(1186)
  package static let jsonb = PostgresType(3802)
}
