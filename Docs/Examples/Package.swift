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

func example(_ name: String, _ more: Target.Dependency...) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["ExampleSupport", .product(name: "ZProc", package: "ZProc")] + more,
        path: name,
        swiftSettings: settings
    )
}

let package = Package(
    name: "Examples",
    dependencies: [.package(name: "ZProc", path: "../..")],
    targets: [
        .target(
            name: "ExampleSupport",
            dependencies: [.product(name: "ZProc", package: "ZProc")],
            path: "ExampleSupport",
            swiftSettings: settings
        ),
        example("cookie-eater"),
        example("chain-reaction"),
        example("peanut-processor"),
        example("luck-test"),
        example("button-press"),
        example("nested-processes"),
        example("remote-errors"),
        example("supervised-pipeline"),
        example("chat"),
        example("word-index"),
        example("mandelbrot"),
        example("page-fetcher"),
        example("guide-snippets", .product(name: "ZProcComparison", package: "ZProc")),
    ]
)
