// swift-tools-version: 6.2
// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let hashTrees = Target.Dependency.product(name: "HashTreeCollections", package: "swift-collections")
let deques = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heaps = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

let package = Package(
    name: "ZProc",
    products: [
        .library(name: "ZProc", targets: ["ZProc"]),
        .library(name: "MessagePack", targets: ["MessagePack"]),
        .library(name: "ZeroMQ", targets: ["ZeroMQ"]),
        .library(name: "LMDB", targets: ["LMDB"]),
        .library(name: "PortableClosures", targets: ["PortableClosures"]),
        .library(name: "ZProcComparison", targets: ["ZProcComparison"]),
        .plugin(name: "CompareBackends", targets: ["CompareBackends"]),
        .executable(name: "zproc", targets: ["zproc"]),
        .executable(name: "zproc-demo", targets: ["zproc-demo"]),
        .executable(name: "zproc-bench", targets: ["zproc-bench"]),
        .executable(name: "zproc-compare", targets: ["zproc-compare"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.1"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // What some of those below have in common.
        .target(name: "CWeakReferences"),
        .target(name: "WeakReferences", dependencies: ["CWeakReferences"], swiftSettings: settings),

        // Libraries usable alone.
        .target(name: "CMsgPack", linkerSettings: [.linkedLibrary("msgpackc")]),
        .target(name: "MessagePack", dependencies: ["CMsgPack"], swiftSettings: settings),
        .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
        .target(name: "ZeroMQ", dependencies: ["CZeroMQ", "WeakReferences"], swiftSettings: settings),
        .systemLibrary(name: "CLMDB", providers: [.apt(["liblmdb-dev"])]),
        .target(name: "LMDB", dependencies: ["CLMDB"], swiftSettings: settings),
        .target(name: "CPortableClosures"),
        .target(name: "PortableClosures", dependencies: ["CPortableClosures"], swiftSettings: settings),

        // ZProc, from the bottom up.
        .target(name: "ZProcCore", dependencies: ["MessagePack", hashTrees, deques, heaps], swiftSettings: settings),
        .target(name: "CZProc"),
        .target(
            name: "ZProcTransports",
            dependencies: ["CZProc", "ZProcCore", "ZeroMQ", "WeakReferences"],
            swiftSettings: settings
        ),
        .target(name: "CSharedStore"),
        .target(
            name: "ZProcSharedEngine",
            dependencies: ["ZProcCore", "LMDB", "CSharedStore", "MessagePack", hashTrees],
            swiftSettings: settings
        ),
        .target(
            name: "ZProc",
            dependencies: [
                "CZProc", "CSharedStore", "ZProcCore", "ZProcSharedEngine", "ZProcTransports", "PortableClosures",
                "MessagePack", "WeakReferences", logging, metrics, tracing, deques,
            ],
            swiftSettings: settings
        ),

        // Programs.
        .executableTarget(
            name: "zproc",
            dependencies: [
                "ZProc", argumentParser, serviceLifecycle, unixSignals, logging, metrics,
                .product(name: "FlyingFox", package: "FlyingFox"),
                .product(name: "FlyingSocks", package: "FlyingFox"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(name: "zproc-demo", dependencies: ["ZProc", argumentParser], swiftSettings: settings),
        .target(name: "ZProcComparison", dependencies: ["ZProc"], swiftSettings: settings),
        .executableTarget(
            name: "zproc-compare",
            dependencies: [
                "ZProc", "ZProcComparison", argumentParser,
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: settings
        ),
        .plugin(
            name: "CompareBackends",
            capability: .command(
                intent: .custom(
                    verb: "compare-backends",
                    description: "Runs the same work on threads and on processes, and says what each costs here."
                )
            )
        ),
        .target(name: "CBenchReference", dependencies: ["CZeroMQ", "CMsgPack", "CLMDB"]),
        .executableTarget(
            name: "zproc-bench",
            dependencies: [
                "ZProc", "ZProcComparison", "MessagePack", "ZeroMQ", "CBenchReference", argumentParser,
                .product(name: "Histogram", package: "hdrhistogram-swift"), deques, heaps,
                .product(name: "Subprocess", package: "swift-subprocess"),
            ],
            swiftSettings: settings
        ),

        // Tests. The corpus of closures is compiled twice: with our settings, and as a module without upcoming
        // features, because those change how async functions are called.
        .testTarget(name: "MessagePackTests", dependencies: ["MessagePack", "CMsgPack"], swiftSettings: settings),
        .testTarget(name: "WeakReferencesTests", dependencies: ["WeakReferences"], swiftSettings: settings),
        .testTarget(name: "ZeroMQTests", dependencies: ["ZeroMQ"], swiftSettings: settings),
        .testTarget(name: "LMDBTests", dependencies: ["LMDB"], swiftSettings: settings),
        .target(
            name: "ClosureCorpus",
            dependencies: ["PortableClosures"],
            path: "Tests/ClosureCorpus",
            swiftSettings: settings
        ),
        .target(
            name: "PlainClosureCorpus",
            dependencies: ["PortableClosures"],
            path: "Tests/PlainClosureCorpus",
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        .testTarget(
            name: "PortableClosuresTests",
            dependencies: ["PortableClosures", "MessagePack", "ClosureCorpus", "PlainClosureCorpus"],
            swiftSettings: settings
        ),
        // A checker of recorded histories, for the tests of the state.
        .target(name: "Linearizability", path: "Tests/Linearizability", swiftSettings: settings),
        .testTarget(name: "LinearizabilityTests", dependencies: ["Linearizability"], swiftSettings: settings),
        .testTarget(name: "ZProcCoreTests", dependencies: ["ZProcCore", "MessagePack"], swiftSettings: settings),
        .testTarget(
            name: "ZProcSharedEngineTests",
            dependencies: ["ZProcSharedEngine", "ZProcCore", "LMDB", "MessagePack"],
            swiftSettings: settings
        ),
        // Programs that tests start.
        .executableTarget(
            name: "InterruptedProgram",
            dependencies: ["ZProc"],
            path: "Tests/InterruptedProgram",
            swiftSettings: settings
        ),
        .testTarget(
            name: "ZProcTests",
            dependencies: [
                "ZProc", "CZProc", "InterruptedProgram", "ClosureCorpus", "PlainClosureCorpus", "ZProcCore",
                "ZProcTransports", "ZeroMQ", "Linearizability", "MessagePack", logging, metrics, tracing,
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: settings
        ),
        .testTarget(name: "ZProcComparisonTests", dependencies: ["ZProcComparison", "ZProc"], swiftSettings: settings),
        .testTarget(name: "zproc-benchTests", dependencies: ["zproc-bench"], swiftSettings: settings),
        .testTarget(
            name: "zproc-compareTests",
            dependencies: ["zproc-compare", "ZProcComparison", argumentParser],
            swiftSettings: settings
        ),
        .testTarget(name: "zprocTests", dependencies: ["zproc", "ZProc"], swiftSettings: settings),
    ]
)
