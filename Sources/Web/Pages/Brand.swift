/// What merchants see of the app: its name, logo, colour and where they get help.
package struct Brand: Hashable, Sendable {
  package let name: String
  /// An `https` image, or `nil`.
  package let logoURL: String?
  /// `#rrggbb`.
  package let color: String
  package let supportURL: String?

  package static let plainColor = "#2f5bea"

  package init(
    name: String, logoURL: String? = nil, color: String? = nil, supportURL: String? = nil
  ) {
    self.name = name
    self.logoURL = logoURL
    self.color = color ?? Brand.plainColor
    self.supportURL = supportURL
  }
}
