// swift-tools-version: 6.2
import PackageDescription

/// Swift 6 mode, no warnings, and the word `unsafe` wherever a pointer is touched.
let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// Tests use the same language mode; the testing macros expand to code that is not annotated for
/// memory safety.
let strictTests: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTPTypesHTTP1 = Target.Dependency.product(
  name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioExtras = Target.Dependency.product(name: "NIOExtras", package: "swift-nio-extras")
let nioCompression = Target.Dependency.product(
  name: "NIOHTTPCompression", package: "swift-nio-extras")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(
  name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(
  name: "UnixSignals", package: "swift-service-lifecycle")
let collections = Target.Dependency.product(name: "Collections", package: "swift-collections")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let orderedCollections = Target.Dependency.product(
  name: "OrderedCollections", package: "swift-collections")
let hashTrees = Target.Dependency.product(
  name: "HashTreeCollections", package: "swift-collections")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdTLS = Target.Dependency.product(name: "HummingbirdTLS", package: "hummingbird")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")
let configuration = Target.Dependency.product(
  name: "Configuration", package: "swift-configuration")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let arguments = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")

/// A module of the product: `Sources/<name>`, strict settings.
func module(
  _ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil
) -> Target {
  .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

/// The tests of a module: `Tests/<name>Tests`.
func tests(
  _ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []
) -> Target {
  .testTarget(
    name: "\(name)Tests",
    dependencies: [.target(name: name), "TestSupport"] + dependencies,
    exclude: exclude,
    swiftSettings: strictTests)
}

let package = Package(
  name: "latchkey",
  products: [
    .executable(name: "latchkey", targets: ["latchkey"]),
    .executable(name: "bigcommerce-sandbox", targets: ["bigcommerce-sandbox"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(
      url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["JSON", "YAML"]),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  // Lowest first: a target imports only what stands above it.
  targets: [
    // Inline C shims for calls that Swift cannot make: prctl, rlimits, fsync of directories.
    .systemLibrary(name: "CLinux"),
    // libpq, PostgreSQL's client library.
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    // libcurl with one inline wrapper per argument shape of its variadic calls.
    .systemLibrary(
      name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    // Words of the domain as types (store hash, app name …), secrets that never print, strict JSON.
    module("Base", []),
    // Header fields as bytes: names by number, all lines of a head in one piece.
    module("Fields", ["Base", httpTypes]),
    // Counters, histograms and Prometheus' text format; knows nothing of the product.
    module("Prometheus", []),
    // What the operating system does for us: limits, no core dumps, fsynced files, child processes.
    module("Linux", ["CLinux", "Base"]),
    // Foreign file descriptors and timers on NIO event loops.
    module("Reactor", ["CLinux", nioCore, nioPosix]),
    // HTTP/1.1 client on libcurl: one multi handle per event loop, streaming both ways.
    module("Curl", ["CCurl", "Reactor", "Fields", "Base", nioCore, httpTypes]),
    // Non-blocking PostgreSQL client on libpq: connection, pool, pipelined transactions,
    // migrations.
    module(
      "Postgres",
      ["CPostgres", "Reactor", "Linux", "Base", nioCore, lifecycle, logging, collections]),
    // A PostgreSQL cluster of our own: initdb, start, adopt, recover, stop.
    module("PrivatePostgres", ["Linux", "Base", logging]),
    // The BigCommerce platform as values and rules; no input or output.
    module("BigCommerce", ["Fields", "Base", httpTypes, crypto]),
    // Keyring, sealed secrets, formats of service keys and tickets.
    module("Vault", ["Base", crypto]),
    // Every SQL statement of the product.
    module(
      "Storage", ["Postgres", "BigCommerce", "Vault", "Base", logging],
      resources: [.embedInCode("sql")]),
    // One call to one store: token snapshot, state, quota, observation.
    module(
      "Upstream",
      [
        "Storage", "Postgres", "Curl", "Fields", "BigCommerce", "Vault", "Prometheus", "Base",
        hashTrees,
        deque, heap, nioCore, httpTypes, lifecycle, logging,
      ]),
    // What was accepted while the database was away, sealed on disk until it is back.
    module("Spooling", ["Vault", "Linux", "Base", logging]),
    // BigCommerce's callbacks turned into durable installations; spool; app page's facts.
    module(
      "Install",
      [
        "Upstream", "Spooling", "Storage", "Curl", "Fields", "BigCommerce", "Vault", "Linux",
        "Base", nioCore,
        httpTypes,
        lifecycle, logging,
      ]),
    // The gateway's rules: targets, grants, scopes, headers, relay.
    module(
      "Gateway",
      [
        "Upstream", "Storage", "Postgres", "Curl", "Fields", "BigCommerce", "Vault", "Prometheus",
        "Base",
        nioCore, httpTypes, logging,
      ]),
    // Webhook registration, intake, feed and push.
    module(
      "Events",
      [
        "Upstream", "Spooling", "Storage", "Postgres", "Curl", "Fields", "BigCommerce", "Vault",
        "Prometheus",
        "Linux", "Base", crypto, deque, nioCore, httpTypes, lifecycle, logging,
      ]),
    // The HTTP edge: connection guard, routes, problem bodies, pages.
    module(
      "Web",
      [
        "Install", "Gateway", "Events", "Upstream", "Storage", "Curl", "Fields", "BigCommerce",
        "Vault",
        "Linux", "Prometheus", "Base", hummingbird,
        hummingbirdCore, mustache, crypto, deque, nioCore, nioHTTP1, nioHTTPTypes,
        nioHTTPTypesHTTP1,
        nioSSL, nioTLS,
        httpTypes, lifecycle, logging,
      ], resources: [.embedInCode("Console/assets")]),
    // Settings, and the one place where the parts meet.
    module(
      "LatchkeyApp",
      [
        "Web", "Install", "Gateway", "Events", "Upstream", "Spooling", "Storage", "Vault",
        "BigCommerce", "Postgres",
        "PrivatePostgres", "Curl", "Fields", "Reactor", "Linux", "Prometheus", "Base",
        configuration, yams,
        hummingbird, lifecycle, logging, nioCore, nioPosix, nioSSL, httpTypes,
      ]),
    // The commands of the CLI: database commands through LatchkeyApp, all others through the API.
    module(
      "LatchkeyCLI",
      [
        "LatchkeyApp", "Storage", "Postgres", "Vault", "BigCommerce", "Curl", "Fields", "Reactor",
        "Linux",
        "Base", arguments, nioCore, nioPosix, httpTypes, logging, unixSignals,
      ]),
    // The program.
    .executableTarget(
      name: "latchkey", dependencies: ["LatchkeyCLI", "Linux"], swiftSettings: strict),
    // A stand-in for BigCommerce: login host, API host, control panel. Never linked into latchkey.
    module(
      "Sandbox",
      [
        "Base", "BigCommerce", mustache, crypto, deque, orderedCollections, httpTypes, nioCore,
        nioPosix,
        nioHTTP1, nioSSL,
        nioCompression, lifecycle, logging,
      ], resources: [.embedInCode("Panel/templates")]),
    .executableTarget(
      name: "bigcommerce-sandbox",
      dependencies: ["Sandbox", arguments, "Base", lifecycle, unixSignals, logging],
      swiftSettings: strict),

    // Fakes, fixtures, temporary databases, the misbehaving server.
    .target(
      name: "TestSupport",
      dependencies: [
        "Base", "Linux", "Reactor", "Curl", "Postgres", "PrivatePostgres", nioCore, nioPosix,
        nioHTTP1, nioSSL, httpTypes,
        logging, lifecycle,
      ],
      path: "Tests/TestSupport",
      swiftSettings: strictTests + [.enableUpcomingFeature("InternalImportsByDefault")]),
    tests("Base"),
    tests("Fields", ["Base", httpTypes]),
    tests("Prometheus"),
    tests("Linux"),
    tests("Reactor", [nioCore, nioPosix]),
    tests("Curl", ["CCurl", "Reactor", "Base", nioCore, nioPosix, nioHTTP1, nioSSL, httpTypes]),
    tests("Postgres", ["Reactor", "Base", "PrivatePostgres", nioCore, nioPosix, logging]),
    tests("PrivatePostgres", ["Linux", "Base", logging]),
    tests("BigCommerce", ["Base", crypto, httpTypes], exclude: ["vectors"]),
    tests("Vault", ["Base", crypto]),
    tests("Storage", ["Postgres", "Vault", "BigCommerce", "Base", logging]),
    tests(
      "Upstream",
      [
        "Storage", "Postgres", "Curl", "Reactor", "BigCommerce", "Vault", "Prometheus", "Base",
        nioCore, nioPosix, httpTypes, logging, lifecycle,
      ]),
    tests(
      "Install",
      [
        "Storage", "Postgres", "Curl", "Reactor", "BigCommerce", "Vault", "Upstream", "Spooling",
        "Linux",
        "Base", nioCore, nioPosix, nioHTTP1, httpTypes, logging, crypto,
      ]),
    tests(
      "Gateway",
      [
        "Upstream", "Storage", "Postgres", "Curl", "Reactor", "BigCommerce", "Vault",
        "Prometheus", "Base", nioCore, nioPosix, httpTypes, logging,
      ]),
    tests(
      "Events",
      [
        "Upstream", "Spooling", "Storage", "Postgres", "PrivatePostgres", "Curl", "Reactor",
        "BigCommerce", "Vault",
        "Prometheus", "Linux", "Base", crypto, nioCore, nioPosix, httpTypes, logging, lifecycle,
      ]),
    tests(
      "Web",
      [
        "BigCommerce", "Gateway", "Install", "Events", "Upstream", "Storage", "Postgres",
        "Vault", "Prometheus", "Base", hummingbird, hummingbirdCore, crypto, nioCore, nioPosix,
        nioHTTP1,
        nioSSL, httpTypes, logging, lifecycle,
      ]),
    tests(
      "LatchkeyApp",
      [
        "Base", "Vault", "Storage", "Postgres", "Sandbox", "Linux", "Curl", "Reactor",
        "PrivatePostgres", "Web", "Install", "Upstream", "BigCommerce", nioCore, nioPosix,
        httpTypes, logging, lifecycle,
      ]),
    tests("LatchkeyCLI", ["Base", "LatchkeyApp", arguments]),
    tests(
      "Sandbox",
      [
        "Base", "BigCommerce", "Curl", "Reactor", crypto, nioCore, nioPosix, nioHTTP1, nioSSL,
        httpTypes, logging, lifecycle,
      ]),
  ],
  swiftLanguageModes: [.v6]
)
