// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import PortableClosures
public import Testing

/// A way to run a closure somewhere else and get its result back.
public protocol Traveller: Sendable {
    func call<Result: Codable & Sendable, each Argument: Codable & Sendable>(
        _ argument: repeat each Argument,
        body: @escaping PortableFunction<Result, repeat each Argument>.Body
    ) async throws -> Result
}

/// One closure that must work wherever a traveller takes it.
public struct CorpusCase: Sendable, CustomTestStringConvertible {
    /// What is special about the closure.
    public let name: String
    /// Sends the closure with a traveller, and throws when the result is not the one expected.
    public let run: @Sendable (any Traveller) async throws -> Void

    init(_ name: String, _ run: @escaping @Sendable (any Traveller) async throws -> Void) {
        self.name = name
        self.run = run
    }

    /// The name.
    public var testDescription: String { name }
}

/// What a case throws when the result is not the one expected.
public struct Mismatch: Error, CustomStringConvertible {
    /// What came and what was expected.
    public let description: String
}

func expect<T: Equatable>(_ got: T, _ wanted: T) throws {
    if got != wanted { throw Mismatch(description: "got \(got), wanted \(wanted)") }
}

/// Hides a value's origin from the optimiser, so that it must be captured.
@inline(never) func opaque<T>(_ value: T) -> T { value }
