// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
internal import MessagePack

/// Carries out calls to the actors that live here.
struct ActorService: Service {
    static let name = "actor"

    /// The system's node owns this service, and the system owns the node.
    private weak let system: ZProcSystem?

    init(_ system: ZProcSystem) { self.system = system }

    func handle(_ call: IncomingCall) {
        guard let system else { return }
        let arguments: CallArguments
        do {
            arguments = try system.decoder.decode(CallArguments.self, from: call.arguments)
        } catch {
            let failure = CallError(.badArguments, "the call of \(call.method) cannot be read: \(error)")
            return call.fail(failure, encoder: system.errorCoder)
        }
        guard let actor = system.localActor(arguments.actor) else {
            let failure = CallError(
                .actorNotFound,
                "no actor \(arguments.actor) lives in process \(system.node.info.processID) any more"
            )
            return call.fail(failure, encoder: system.errorCoder)
        }
        call.inbound.start(call) {
            await execute(call, arguments, on: actor, system: system)
        }
    }

    @concurrent private func execute(
        _ call: IncomingCall,
        _ arguments: CallArguments,
        on actor: some DistributedActor,
        system: ZProcSystem
    ) async {
        var decoder = CallDecoder(arguments, decoder: system.decoder)
        do {
            try await system.executeDistributedTarget(
                on: actor,
                target: RemoteCallTarget(call.method),
                invocationDecoder: &decoder,
                handler: CallResultHandler(call, system: system)
            )
        } catch {
            // The method itself reports through the handler; what arrives here kept it from running.
            let failure = error as? CallError ?? CallError(.methodNotFound, "\(call.method) cannot be called: \(error)")
            call.fail(failure, encoder: system.errorCoder)
        }
    }
}
