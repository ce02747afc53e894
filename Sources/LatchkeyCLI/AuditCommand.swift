import ArgumentParser
import Base

/// `latchkey audit`: who did what.
struct AuditCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Show who did what, the newest first.",
    discussion: """
      Acts of operators, of BigCommerce (installs, uninstalls) and of the service itself; needs the ability operator.
      What happened to a store:
        latchkey audit --store abc123
      """)

  @Option(
    name: .long, help: "Only by this actor: a key's ID, bigcommerce, latchkey or bootstrap.")
  var actor: String?
  @Option(name: .long, help: "Only this act, such as key_create.")
  var action: String?
  @OptionGroup var list: ListOptions

  func run(on console: Console) async throws {
    let (rows, next) = try await list.rows(
      of: "/v1/audit", [("actor", actor), ("action", action)], on: console)
    try console.page(
      rows, next: next, asJSON: list.output.json, none: "Nothing was done.",
      [
        ("at", "AT"), ("actor", "ACTOR"), ("actor_name", "NAME"), ("action", "ACTION"),
        ("app", "APP"), ("store_hash", "STORE"), ("request_id", "REQUEST"),
        ("details", "DETAILS"),
      ])
  }
}
