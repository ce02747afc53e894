import Base
import Curl
import Foundation
import NIOPosix
import Reactor
import Synchronization
import TestSupport
import Testing

@testable import Events

@Suite struct `The outbound policy of pushes` {
  @Test(arguments: [
    "8.8.8.8", "93.184.215.14", "172.32.0.1", "172.15.255.255", "100.128.0.1", "169.253.0.1",
    "2606:4700::1111", "2a00:1450::1", "64:ff9b::8.8.8.8", "2002:0808:0808::1",
    "2a00::5efe:8.8.8.8", "::ffff:8.8.8.8",
  ])
  func `public addresses are reached from everywhere`(text: String) throws {
    let address = try #require(IPAddress(text))
    #expect(address.reachability == .everywhere)
  }

  @Test(arguments: [
    "169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "::169.254.169.254",
    "64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:c0a8:101::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "fe80::1", "fec0::1", "fd00:ec2::254",
    "fd20:ce::254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "0.0.0.0", "0.1.2.3",
    "::", "::2", "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "ff02::1",
    "198.18.0.1", "192.0.2.1", "198.51.100.7", "203.0.113.7", "2001:db8::1", "100::1",
    "3fff::1", "4000::1", "2a00::5efe:10.0.0.1", "2a00::200:5efe:7f00:1",
  ])
  func `what is reserved, link-local or metadata is reached from nowhere`(text: String) throws {
    let address = try #require(IPAddress(text))
    #expect(address.reachability == .nowhere)
    let url = try #require(PushURL("https://hooks.example.com/"))
    #expect(!OutboundPolicy(reach: .on).permits(address, for: url))
  }

  @Test(arguments: [
    ("10.0.0.1", "on"), ("172.16.0.1", "on"), ("172.31.255.255", "on"), ("192.168.1.1", "on"),
    ("100.64.0.1", "on"), ("100.127.255.255", "on"), ("fd12::1", "on"),
    ("::ffff:10.1.2.3", "on"),
  ])
  func `private networks need the setting`(text: String, reach: String) throws {
    let address = try #require(IPAddress(text))
    #expect(address.reachability == .site)
    let url = try #require(PushURL("https://hooks.internal/"))
    for allowed in OutboundPolicy.Reach.allCases {
      #expect(
        OutboundPolicy(reach: allowed).permits(address, for: url) == (allowed.rawValue == reach))
    }
  }

  @Test(arguments: ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"])
  func `this machine is reached only by a URL that says so`(text: String) throws {
    let address = try #require(IPAddress(text))
    let name = try #require(PushURL("https://hooks.example.com/"))
    let here = try #require(PushURL("http://localhost:9000/hook"))
    #expect(!OutboundPolicy(reach: .on).permits(address, for: name))
    #expect(OutboundPolicy(reach: .on).permits(address, for: here))
    #expect(OutboundPolicy(reach: .loopback).permits(address, for: here))
    #expect(!OutboundPolicy(reach: .off).permits(address, for: here))
  }

  @Test(arguments: [
    "https://hooks.example.com", "https://hooks.example.com/a/b?c=d&e=%2F",
    "https://hooks.example.com:8443/x", "https://hooks.example.com?x=1", "http://127.0.0.1:9/x",
    "http://localhost/", "http://[::1]:80/", "https://[2606:4700::1111]/x", "https://8.8.8.8/",
    "HTTPS://Hooks.Example.COM/Path", "https://10.0.0.1/", "https://xn--bcher-kva.example/",
  ])
  func `a URL in form is kept`(text: String) throws {
    let url = try #require(PushURL(text))
    #expect(PushURL(url.description) == url)
    #expect(url.target.hasPrefix("/"))
  }

  @Test(arguments: [
    "", "hooks.example.com", "//hooks.example.com/", "ftp://hooks.example.com/", "https://",
    "https:///x", "http://hooks.example.com/", "http://10.0.0.1/", "http://169.254.169.254/",
    "https://user@hooks.example.com/", "https://user:pass@hooks.example.com/",
    "https://hooks.example.com#x", "https://hooks.example.com/#", "https://hooks.example.com/a b",
    "https://hooks.example.com/\n", " https://hooks.example.com/", "https://hooks.example.com/é",
    "https://2130706433/", "https://127.1/", "https://0x7f000001/", "https://0177.0.0.1/",
    "https://0x7f.0.0.1/", "https://127.0.0.0x1/", "https://017700000001/", "https://1.2.3/",
    "https://1.2.3.4.5/", "https://256.1.1.1/", "https://127.0.0.1./", "https://example.com./",
    "https://.example.com/", "https://a..b/", "https://-a.example/", "http://127.1/",
    "http://127.0.0.1.example.com/", "https://[fe80::1%25eth0]/", "https://[::1/", "https://::1/",
    "https://hooks.example.com:0/", "https://hooks.example.com:65536/",
    "https://hooks.example.com:/", "https://hooks.example.com\\@evil.example/",
    "https://hooks.example.com/\"", "https://ex_ample.com/", "https://example.com:80:80/",
    "https://\(String(repeating: "a", count: 64)).example/",
    "https://example.com/\(String(repeating: "a", count: 2048))",
  ])
  func `a URL out of form is refused`(text: String) {
    #expect(PushURL(text) == nil)
  }

  @Test func `every address of a name must be allowed`() async throws {
    let url = try #require(PushURL("https://hooks.example.com/"))
    func fault(_ addresses: [String]) async -> PushDestinations.Fault? {
      let destinations = PushDestinations(policy: OutboundPolicy(reach: .loopback)) { name in
        name == "hooks.example.com" ? addresses : []
      }
      do throws(PushDestinations.Fault) {
        try await destinations.check(url)
        return nil
      } catch {
        return error
      }
    }
    #expect(await fault(["93.184.215.14", "2606:4700::1111"]) == nil)
    #expect(await fault([]) == .unresolved)
    #expect(await fault(["93.184.215.14", "169.254.169.254"]) == .refused)
    #expect(await fault(["127.0.0.1"]) == .refused)
    #expect(await fault(["fe80::1%eth0"]) == .refused)
  }

  @Test func `the system's look-up is used, and addresses are their own`() async throws {
    let destinations = PushDestinations(policy: OutboundPolicy(reach: .loopback))
    try await destinations.check(try #require(PushURL("http://localhost:1/")))
    try await destinations.check(try #require(PushURL("https://8.8.8.8/")))
    let metadata = try #require(PushURL("https://169.254.169.254/"))
    await #expect(throws: PushDestinations.Fault.refused) {
      try await destinations.check(metadata)
    }
  }
}
