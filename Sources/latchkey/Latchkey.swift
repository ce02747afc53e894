import Glibc
import LatchkeyCLI

/// The program.
@main enum Latchkey {
  static func main() async {
    let arguments = Array(CommandLine.arguments.dropFirst())
    exit(await Program.run(arguments, on: .process()).rawValue)
  }
}
