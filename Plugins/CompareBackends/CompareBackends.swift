// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import PackagePlugin

/// `swift package compare-backends`: builds the comparison for release, and runs it on this machine.
@main struct CompareBackends: CommandPlugin {
    private static let product = "zproc-compare"

    func performCommand(context: PluginContext, arguments: [String]) async throws {
        let build = try packageManager.build(
            .product(Self.product),
            parameters: .init(configuration: .release, logging: .concise)
        )
        guard build.succeeded else { throw CompareError("\(Self.product) could not be built:\n\(build.logText)") }
        let program = build.builtArtifacts.first { $0.kind == .executable && $0.url.lastPathComponent == Self.product }
        guard let program else { throw CompareError("the build made no \(Self.product)") }

        var arguments = arguments
        if !arguments.contains(where: { ["--report", "--help", "-h"].contains($0) || $0.hasPrefix("--report=") }) {
            arguments += ["--report", context.pluginWorkDirectoryURL.appending(path: "report").path]
        }
        if !arguments.contains(where: { $0 == "--peers" || $0.hasPrefix("--peers=") }), let package = home(of: context)
        {
            arguments += ["--peers", package.appending(path: "Tests/Benchmarks/Peers").path]
        }
        let process = Process()
        process.executableURL = program.url
        process.arguments = arguments
        try process.run()
        process.waitUntilExit()
        guard process.terminationReason == .exit, process.terminationStatus == 0 else {
            throw CompareError("\(Self.product) ended with \(process.terminationStatus)")
        }
    }

    /// The directory of the package that the program belongs to: this one, or one that it depends on.
    private func home(of context: PluginContext) -> URL? {
        var packages = [context.package], seen: Set<String> = []
        while let package = packages.popLast() {
            guard seen.insert(package.id).inserted else { continue }
            if package.targets.contains(where: { $0.name == Self.product }) { return package.directoryURL }
            packages += package.dependencies.map(\.package)
        }
        return nil
    }
}

/// The comparison did not take place, or found something.
struct CompareError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
