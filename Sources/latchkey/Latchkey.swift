import Glibc
import LatchkeyCLI
import Linux

/// The program.
@main enum Latchkey {
  static func main() async {
    // Every command holds a secret: a token, a keyring or a service key.
    ProcessHardening.apply()
    let arguments = Array(CommandLine.arguments.dropFirst())
    exit(await Program.run(arguments, on: .process()).rawValue)
  }
}
