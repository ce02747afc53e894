import Base
import NIOCore
import NIOHTTP1

/// The control API below `/control/`, with which tests and scripts steer the sandbox.
///
/// JSON in, JSON out.
struct ControlAPI: Sendable {
  let platform: Platform

  /// One thing that the control API can do.
  struct Command: Sendable {
    let method: HTTPMethod
    let noun: String
    /// Path segments after the noun, for example the ID.
    let arguments: Int
    let summary: String
    let run: @Sendable (ControlCall) throws(ControlError) -> Outcome

    init(
      _ method: HTTPMethod, _ noun: String, arguments: Int = 0, _ summary: String,
      _ run: @escaping @Sendable (ControlCall) throws(ControlError) -> Outcome
    ) {
      self.method = method
      self.noun = noun
      self.arguments = arguments
      self.summary = summary
      self.run = run
    }
  }

  private static let commands: [Command] =
    ControlState.commands + ControlApps.commands + ControlStores.commands + ControlGrants.commands
    + ControlMerchant.commands + ControlWebhooks.commands

  func respond(to request: SandboxRequest, client: OutboundClient) -> Outcome {
    let segments = request.segments.dropFirst()
    guard let noun = segments.first else { return .now(.json(ControlAPI.index)) }
    do throws(ControlError) {
      let command = ControlAPI.commands.first {
        $0.method == request.method && $0.noun == noun && $0.arguments == segments.count - 1
      }
      guard let command else { throw .notFound("\(request.method) /control/\(noun)") }
      return try command.run(
        ControlCall(
          platform: platform, client: client, query: request.query,
          body: try ControlAPI.body(of: request), rest: Array(segments.dropFirst())))
    } catch {
      return .now(error.response)
    }
  }

  private static func body(of request: SandboxRequest) throws(ControlError) -> JSONValue {
    guard request.body.readableBytes > 0 else { return [:] }
    do throws(JSONError) {
      return try JSONScanner.parse(request.body.readableBytesView)
    } catch {
      throw .invalid("the body is not JSON: \(error)")
    }
  }

  /// Every command, for people who look at `/control`.
  private static var index: JSONValue {
    .array(
      commands.map { command in
        let arguments = String(repeating: "/{…}", count: command.arguments)
        return [
          "method": .string(command.method.rawValue),
          "path": .string("/control/\(command.noun)\(arguments)"),
          "does": .string(command.summary),
        ]
      })
  }
}

extension Outcome {
  static func json(_ value: JSONValue, status: HTTPResponseStatus = .ok) -> Outcome {
    .now(.json(value, status: status))
  }

  static let done: Outcome = .now(.json(["done": true]))
}
