// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ClosureCorpus
import MessagePack
import PlainClosureCorpus
import PortableClosures
import Testing

/// Takes a closure apart into bytes and builds another one from them, in one process.
struct BytesTraveller: ClosureCorpus.Traveller, PlainClosureCorpus.Traveller {
    func call<Result: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        body: @escaping PortableFunction<Result, repeat each Argument>.Body
    ) async throws -> Result {
        let bytes = try MessagePackEncoder().encode(PortableFunction(body))
        let rebuilt = try MessagePackDecoder().decode(PortableFunction<Result, repeat each Argument>.self, from: bytes)
        return try await rebuilt(repeat each argument)
    }
}

@Suite struct CorpusTests {
    @Test(arguments: ClosureCorpus.valueCorpus + ClosureCorpus.functionCorpus)
    func closureWorksWhenRebuiltFromBytes(_ closure: ClosureCorpus.CorpusCase) async throws {
        try await closure.run(BytesTraveller())
    }

    @Test(arguments: PlainClosureCorpus.valueCorpus + PlainClosureCorpus.functionCorpus)
    func closureOfAPlainModuleWorksWhenRebuiltFromBytes(_ closure: PlainClosureCorpus.CorpusCase) async throws {
        try await closure.run(BytesTraveller())
    }
}
