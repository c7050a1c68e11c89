// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import Distributed
internal import MessagePack

/// Gives the arguments of a received call to the method, one by one.
public struct CallDecoder: DistributedTargetInvocationDecoder, Sendable {
    /// What arguments must be.
    public typealias SerializationRequirement = any Codable

    private let decoder: MessagePackDecoder
    private let call: CallArguments
    private var next = 0

    init(_ call: CallArguments, decoder: MessagePackDecoder) {
        self.call = call
        self.decoder = decoder
    }

    /// What the generic parameters of the method stand for.
    ///
    /// Called by the language.
    public mutating func decodeGenericSubstitutions() throws -> [Any.Type] {
        try call.genericTypes.map { try $0.resolve() }
    }

    /// The next argument.
    ///
    /// Called by the language.
    ///
    /// - Throws: ``CallError/Code/badArguments`` when there is none, or it is no `Argument`.
    public mutating func decodeNextArgument<Argument: Codable>() throws -> Argument {
        guard next < call.arguments.count else {
            throw CallError(.badArguments, "argument \(next + 1) is missing; use the same build on both sides")
        }
        defer { next += 1 }
        do {
            return try decoder.decode(Argument.self, from: call.arguments[next])
        } catch {
            throw CallError(.badArguments, "argument \(next + 1) is no \(Argument.self): \(error)")
        }
    }

    /// Errors name their type themselves.
    ///
    /// Called by the language.
    public mutating func decodeErrorType() throws -> (Any.Type)? { nil }

    /// Both sides know it.
    ///
    /// Called by the language.
    public mutating func decodeReturnType() throws -> (Any.Type)? { nil }
}
