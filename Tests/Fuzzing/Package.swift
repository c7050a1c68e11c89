// swift-tools-version: 6.2
// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// A package of its own, because it is built with instrumented code only: `make fuzz`.

import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
    name: "Fuzzing",
    dependencies: [.package(name: "ZProc", path: "../..")],
    targets: [
        .executableTarget(
            name: "zproc-fuzz",
            dependencies: [
                .product(name: "ZProc", package: "ZProc"),
                .product(name: "MessagePack", package: "ZProc"),
            ],
            path: "Fuzzer",
            swiftSettings: settings
        )
    ]
)
