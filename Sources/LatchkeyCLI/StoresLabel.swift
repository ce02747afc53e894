import ArgumentParser
import Base
import HTTPTypes

extension Stores {
  /// `latchkey stores label`.
  struct Label: Command {
    static let configuration = CommandConfiguration(
      abstract: "Add labels to a store, and remove some.",
      discussion: """
        latchkey stores label abc123 --add vip --remove trial
        A label is 1 to 32 of a-z, 0-9 and -; a store has at most 16. Keys that are granted a label reach, within
        2 seconds, the stores that have it. Labels stay when the app is uninstalled and installed again; stores delete
        --purge removes them.
        """)

    @OptionGroup var store: StoreArgument
    @Option(name: .long, help: "A label that the store shall have; may be repeated.")
    var add: [StoreLabel] = []
    @Option(name: .long, help: "A label that the store shall not have; may be repeated.")
    var remove: [StoreLabel] = []
    @OptionGroup var output: OutputOptions

    func validate() throws {
      guard !(add + remove).isEmpty else {
        throw ValidationError("Give --add or --remove, such as --add vip.")
      }
      if let both = add.first(where: remove.contains) {
        throw ValidationError("The label \(both) is both added and removed.")
      }
    }

    func run(on console: Console) async throws {
      let body: JSONValue = ["add_labels": .labels(add), "remove_labels": .labels(remove)]
      try await store.report(.patch, "", body: body, output, console)
    }
  }
}

extension JSONValue {
  fileprivate static func labels(_ labels: [StoreLabel]) -> JSONValue {
    .array(labels.map { .string($0.text) })
  }
}

extension StoreLabel: ExpressibleByArgument {
  /// Reads a label.
  package init?(argument: String) {
    self.init(argument)
  }
}
