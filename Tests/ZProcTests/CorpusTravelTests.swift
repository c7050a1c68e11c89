// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ClosureCorpus
import PlainClosureCorpus
import PortableClosures
import Testing
import ZProc

/// Takes closures to a spawned body.
struct SpawnTraveller: ClosureCorpus.Traveller, PlainClosureCorpus.Traveller {
    let context: Context

    func call<Result: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        body: @escaping PortableFunction<Result, repeat each Argument>.Body
    ) async throws -> Result {
        try await context.spawn(repeat each argument, body: body).value
    }
}

@Suite(.tags(.process), .timeLimit(.minutes(5))) struct CorpusTravelTests {
    @Test(arguments: Backend.allCases)
    func closuresWithAllKindsOfValuesWork(on backend: Backend) async throws {
        try await withContext(backend) { context in
            for closure in ClosureCorpus.valueCorpus + ClosureCorpus.functionCorpus {
                try await travels(closure.name) { try await closure.run(SpawnTraveller(context: context)) }
            }
        }
    }

    /// The same in a module where async functions run off the caller's actor by default.
    @Test(arguments: Backend.allCases)
    func closuresOfModulesWithoutUpcomingFeaturesWork(on backend: Backend) async throws {
        try await withContext(backend) { context in
            for closure in PlainClosureCorpus.valueCorpus + PlainClosureCorpus.functionCorpus {
                try await travels(closure.name) { try await closure.run(SpawnTraveller(context: context)) }
            }
        }
    }

    private func travels(_ name: String, _ run: () async throws -> Void) async throws {
        do { try await run() } catch { Issue.record("\(name): \(error)") }
    }
}
