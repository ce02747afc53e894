import NIOCore
import NIOHTTP1

/// Sends each request to the part of BigCommerce that it is for.
final class Site: Sendable {
  let platform: Platform
  private let api: APIHost
  private let token: TokenEndpoint
  private let install: InstallLinks
  private let control: ControlAPI
  private let panel: Panel
  private let surface: Surface

  /// What a listening port serves.
  enum Surface: Sendable {
    case everything
    /// Login host and API host.
    case platform
    /// Panel and control API.
    case control
  }

  init(platform: Platform, scheme: String, surface: Surface) throws {
    self.platform = platform
    self.surface = surface
    api = APIHost(platform: platform, scheme: scheme)
    token = TokenEndpoint(platform: platform)
    let pages = try PageLibrary()
    install = InstallLinks(platform: platform, pages: pages)
    control = ControlAPI(platform: platform)
    panel = Panel(platform: platform, pages: pages)
  }

  func fault(for request: SandboxRequest) -> Fault? { platform.faults.take(for: request) }

  func respond(to request: SandboxRequest, on loop: any EventLoop) -> Outcome {
    if request.path.hasPrefix("/stores/"), surface != .control {
      return .now(api.respond(to: request))
    }
    if surface != .control {
      if request.path == "/oauth2/token" { return .now(token.respond(to: request)) }
      if request.path.hasPrefix("/app/") { return .now(install.respond(to: request)) }
    }
    let client = OutboundClient(loop: loop, trustFile: platform.configuration.trustFile)
    if surface != .platform {
      if request.path.hasPrefix("/control") { return control.respond(to: request, client: client) }
      return panel.respond(to: request, client: client)
    }
    return .now(APIFailure.noRoute.response(version: .v3))
  }
}
