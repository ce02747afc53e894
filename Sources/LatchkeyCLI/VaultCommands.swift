import ArgumentParser
import Base
import LatchkeyApp
import Storage
import Vault

/// `latchkey vault`: the keys that seal the stores' tokens and webhook secrets.
struct VaultCommands: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vault",
    abstract: "See which encryption keys are in use, and seal all secrets with the newest.",
    discussion: """
      To change the encryption key: put the new key behind the old one in CREDENTIALS_ENCRYPTION_KEY
      (old,new) on every machine, then before it (new,old), then run `latchkey vault rewrap`, and drop
      the old one when `latchkey vault status` shows nothing with it.
      """,
    subcommands: [Status.self, Rewrap.self])
}

extension VaultCommands {
  /// `latchkey vault status`.
  struct Status: Command {
    static let configuration = CommandConfiguration(
      abstract: "Show what each encryption key seals.",
      discussion: "Exit status 3 when a key in use is missing in CREDENTIALS_ENCRYPTION_KEY.")

    @OptionGroup var output: OutputOptions

    func run(on console: Console) async throws {
      let uses = try await DatabaseCommand.run(console) { database, keyring in
        try await VaultInventory(database: database, keyring: keyring).status()
      }
      try Self.report(uses, json: output.json, on: console)
    }

    static func report(_ uses: [KeyUse], json: Bool, on console: Console) throws {
      if json {
        try console.line(JSONValue.list(uses.map(\.document)).prettyText)
      } else {
        var table = Table([
          "KEY", "TOKENS", "WEBHOOK SECRETS", "SUBSCRIPTION SECRETS", "KEPT ANSWERS", "LOADED",
          "SEALS",
        ])
        for use in uses {
          table.add(
            [
              "key_id", "tokens", "webhook_secrets", "subscription_secrets", "kept_answers",
              "is_loaded", "is_sealing",
            ]
            .map(use.document.shown))
        }
        try console.line(table.text(color: console.hasColor))
      }
      let missing = uses.filter { $0.values > 0 && !$0.isLoaded }.map(\.keyID)
      guard missing.isEmpty else {
        throw CommandFailure(
          text: "CREDENTIALS_ENCRYPTION_KEY lacks keys in use: \(missing.joined(separator: ", ")).",
          status: .unhealthy)
      }
    }
  }

  /// `latchkey vault rewrap`.
  struct Rewrap: Command {
    static let configuration = CommandConfiguration(
      abstract: "Seal every secret with the first key of CREDENTIALS_ENCRYPTION_KEY.",
      discussion: """
        Runs beside the service, can be stopped anywhere and repeated. Afterwards keys that seal nothing
        may be dropped from the setting.
        """)

    @OptionGroup var confirmation: ConfirmationOptions

    func run(on console: Console) async throws {
      try confirmation.check(on: console)
      let confirmation = confirmation
      try await DatabaseCommand.run(console) { database, keyring in
        let inventory = VaultInventory(database: database, keyring: keyring)
        let due = try await inventory.status().filter { !$0.isSealing }.map(\.values).reduce(0, +)
        let key = keyring.sealingKeyID.text
        guard due > 0 else { return try console.line("Everything is sealed with \(key) already.") }
        guard try confirmation.allow("seal \(due) secrets with the key \(key)", on: console) else {
          return
        }
        defer { console.endProgress() }
        let done = try await Storage.Rewrap(database: database, keyring: keyring).run(
          act: Act(actor: "latchkey", requestID: nil)
        ) { console.progress($0.rewrapped, of: $0.rewrapped + $0.remaining, "secrets") }
        console.endProgress()
        try console.line("Sealed \(done) secrets with \(key).")
        let left = try await inventory.status().filter { !$0.isSealing }.map(\.values).reduce(0, +)
        guard left == 0 else {
          throw CommandFailure(
            text:
              "\(left) secrets are still sealed with other keys. Run it again before dropping any.")
        }
      }
    }
  }
}

extension KeyUse {
  /// The use as the other lists write theirs.
  var document: JSONValue {
    [
      "key_id": .string(keyID), "tokens": .integer(tokens),
      "webhook_secrets": .integer(webhookSecrets),
      "subscription_secrets": .integer(subscriptionSecrets),
      "kept_answers": .integer(keptAnswers), "is_loaded": .bool(isLoaded),
      "is_sealing": .bool(isSealing),
    ]
  }
}
