import Base

/// The contents that a store starts with; the same for the same store at every start.
struct Seed {
  let hash: String
  let products: Int

  /// When everything was made: 1 March 2026, 09:00 UTC.
  static let epoch = Timestamp(seconds: 1_772_355_600)

  func fill(_ data: inout StoreData) {
    data.isSeeded = true
    SeedCatalogue(hash: hash, products: products).fill(&data)
    SeedPeople(hash: hash).fill(&data)
  }
}
