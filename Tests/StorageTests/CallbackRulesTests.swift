import Base
import Testing

@testable import Storage

@Suite struct `Callback rules` {
  private static func at(_ seconds: Int64) -> Timestamp { Timestamp(seconds: seconds) }

  @Test(arguments: [(94, true), (95, false), (100, false), (106, false)] as [(Int64, Bool)])
  func `an uninstall issued more than five seconds before the authorization is stale`(
    issuedAt: Int64, isStale: Bool
  ) {
    #expect(
      CallbackRules.uninstallIsStale(issuedAt: Self.at(issuedAt), authorizedAt: Self.at(100))
        == isStale)
  }

  @Test(arguments: [(99, true), (100, true), (101, false)] as [(Int64, Bool)])
  func `a load not newer than the removal is refused`(issuedAt: Int64, isRemoved: Bool) {
    #expect(
      CallbackRules.userIsRemoved(issuedAt: Self.at(issuedAt), removedAt: Self.at(100))
        == isRemoved)
    #expect(!CallbackRules.userIsRemoved(issuedAt: Self.at(issuedAt), removedAt: nil))
  }

  @Test func `a first token is generation 1`() {
    #expect(decide(100, base: 0, current: nil) == .store(Generation(1), suspended: false))
  }

  @Test func `a token follows the one it found, whatever the clocks say`() {
    let current = known(3, authorizedAt: 500)
    #expect(decide(100, base: 3, current: current) == .store(Generation(4), suspended: false))
  }

  @Test func `of two tokens that overtook each other the one authorized last wins`() {
    let current = known(4, authorizedAt: 200)
    #expect(decide(199, base: 3, current: current) == .superseded(.installedSince))
    #expect(decide(200, base: 3, current: current) == .store(Generation(5), suspended: false))
  }

  @Test func `a token older than an uninstall by more than the slack is dropped`() {
    let current = known(3, authorizedAt: 50)
    #expect(
      decide(100, base: 3, current: current, uninstall: 106) == .superseded(.uninstalledSince))
    #expect(
      decide(100, base: 3, current: current, uninstall: 105)
        == .store(Generation(4), suspended: false))
    #expect(decide(100, base: 0, current: nil, uninstall: 106) == .superseded(.uninstalledSince))
  }

  @Test func `a suspended store stays suspended`() {
    let current = known(3, authorizedAt: 50, isSuspended: true)
    #expect(decide(100, base: 3, current: current) == .store(Generation(4), suspended: true))
  }

  private func known(
    _ generation: Int64, authorizedAt: Int64, isSuspended: Bool = false
  ) -> CurrentInstallation {
    CurrentInstallation(
      generation: Generation(generation), authorizedAt: Self.at(authorizedAt),
      isSuspended: isSuspended)
  }

  private func decide(
    _ authorizedAt: Int64, base: Int64, current: CurrentInstallation?, uninstall: Int64? = nil
  ) -> InstallDecision {
    CallbackRules.install(
      authorizedAt: Self.at(authorizedAt), baseGeneration: Generation(base), current: current,
      newestUninstall: uninstall.map(Self.at))
  }
}
