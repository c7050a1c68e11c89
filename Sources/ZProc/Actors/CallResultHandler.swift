// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import Distributed
internal import MessagePack

/// Sends the outcome of a method back to its caller.
public struct CallResultHandler: DistributedTargetInvocationResultHandler {
    /// What results must be.
    public typealias SerializationRequirement = any Codable

    private let call: IncomingCall
    private let system: ZProcSystem
    private let encoder: MessagePackEncoder
    /// Whether nobody knows yet that there is such a method.
    private let isNew: Bool

    init(_ call: IncomingCall, system: ZProcSystem, encoder: MessagePackEncoder, isNew: Bool) {
        self.call = call
        self.system = system
        self.encoder = encoder
        self.isNew = isNew
    }

    /// Sends a result; one that cannot be encoded is an error at the caller.
    ///
    /// Called by the language.
    public func onReturn<Success: Codable>(value: Success) async throws { returned(value) }

    /// Sends a result, as ``onReturn(value:)`` does.
    ///
    /// That one is called without the conformances of the type, which are looked up each time.
    func returned<Success: Encodable>(_ value: Success) {
        if isNew { system.targets.add(call.method) }
        do {
            call.succeed(try encoder.encode(value))
        } catch {
            let failure = CallError(.badResult, "a result of type \(Success.self) cannot be encoded: \(error)")
            call.fail(failure, encoder: system.errorCoder)
        }
    }

    /// Sends that the method returned.
    ///
    /// Called by the language.
    public func onReturnVoid() async throws { returned() }

    /// Sends that the method returned.
    func returned() {
        if isNew { system.targets.add(call.method) }
        call.succeed([])
    }

    /// Sends the error the method threw.
    ///
    /// Called by the language.
    public func onThrow<Err: Error>(error: Err) async throws { failed(error) }

    /// Sends the error the method threw.
    func failed(_ error: any Error) { call.fail(error, encoder: system.errorCoder) }
}
