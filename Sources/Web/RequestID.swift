package import Base

/// Ours; Hummingbird has a type of this name too.
package typealias RequestID = Base.RequestID
