package import HTTPTypes

// Where nobody counts allocations, fields are written and read as those of HTTPTypes.

extension FieldSection {
  package init(_ fields: HTTPFields) {
    self.init(bytes: fields.count * 40, lines: fields.count)
    for field in fields {
      // The name's type promises that it is a token.
      append(field.name.rawName.utf8.span, field.value.utf8.span)
    }
  }

  package var httpFields: HTTPFields {
    var fields = HTTPFields()
    fields.reserveCapacity(count)
    let bytes = bytes.span
    for line in lines {
      guard let name = FieldNames.name(bytes.extracting(line.nameRange)) else { continue }
      fields.append(HTTPField(name: name, value: value(of: line)))
    }
    return fields
  }
}
