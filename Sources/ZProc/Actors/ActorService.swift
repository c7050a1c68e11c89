// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
internal import MessagePack
internal import WeakReferences
internal import ZProcCore

/// Carries out calls to the actors that live here.
final class ActorService: Service {
    static let name = "actor"

    /// The system's node owns this service, and the system owns the node.
    let system: WeakReference<ZProcSystem>
    private let shortCalls = ShortCalls()

    init(_ system: ZProcSystem) { self.system = WeakReference(system) }

    func handle(_ call: IncomingCall) {
        guard let system = system.object else { return }
        if call.method == Self.terminated { return answerTermination(call, system) }
        guard let target = system.targets.known(call.method), target.habit.expectsNoWait(),
            call.observation?.hasSpan != true, call.inbound.hasWorkThreads
        else { return start(call, system) }
        if call.inbound.openOrRefuse(call) { shortCalls.put(call, target, by: self) }
    }

    /// Has a task of its own carry out a call.
    private func start(_ call: IncomingCall, _ system: ZProcSystem) {
        guard let (arguments, actor) = prepare(call, system) else { return }
        call.inbound.start(call) { Self.makeTask(for: call, arguments, actor, system, $0) }
    }

    /// Has a task of its own carry out a call that is open, on the pool of the process.
    func startOpened(_ call: IncomingCall) {
        guard let system = system.object, let (arguments, actor) = prepare(call, system) else { return }
        call.begin(Self.makeTask(for: call, arguments, actor, system, nil))
    }

    private static func makeTask(
        for call: IncomingCall,
        _ arguments: CallArguments,
        _ actor: any DistributedActor,
        _ system: ZProcSystem,
        _ executor: (any TaskExecutor)?
    ) -> Task<Void, Never> {
        let target = system.targets.known(call.method), deadline = arguments.circumstances?.deadline
        target?.habit.beginsWaiting()
        return Task(executorPreference: executor, priority: arguments.circumstances?.taskPriority) {
            // It may have got to be known.
            let known = target ?? system.targets.known(call.method)
            await execute(call, arguments, known, on: actor, by: deadline, system, system.coders)
            target?.habit.endsWaiting()
        }
    }

    /// Reads what a call is about; nil when it cannot be carried out, which its caller has been told.
    private func prepare(
        _ call: IncomingCall,
        _ system: ZProcSystem
    ) -> (arguments: CallArguments, actor: any DistributedActor)? {
        let arguments: CallArguments
        do {
            arguments =
                try CallArguments(usualForm: call.arguments)
                ?? system.decoder.decode(CallArguments.self, from: call.arguments)
        } catch {
            let failure = CallError(.badArguments, "the call of \(call.method) cannot be read: \(error)")
            call.fail(failure, encoder: system.errorCoder)
            return nil
        }
        guard let actor = system.localActor(arguments.actor) else {
            let text = "no actor \(arguments.actor) lives in process \(system.node.info.processID) any more"
            call.fail(WireError(code: ErrorCoder.actorNotFound, message: text), encoder: system.errorCoder)
            return nil
        }
        return (arguments, actor)
    }

    /// What is to be carried out, once it has been read; nil when it cannot be, which its caller has been told.
    func prepare(_ call: IncomingCall, _ target: DistributedTarget, _ system: ZProcSystem) -> ShortCalls.Prepared? {
        guard let (arguments, actor) = prepare(call, system) else { return nil }
        return ShortCalls.Prepared(call: call, target: target, arguments: arguments, actor: actor)
    }

    /// Carries out a call, off every actor, and answers it.
    @concurrent static func execute(
        _ call: IncomingCall,
        _ arguments: CallArguments,
        _ target: DistributedTarget?,
        on actor: any DistributedActor,
        by deadline: CallDeadline?,
        _ system: ZProcSystem,
        _ coders: ZProcSystem.Coders
    ) async {
        // Nearly always there is none, here and there.
        if deadline == nil, CallDeadline.current == nil {
            return await invoke(call, arguments, target, on: actor, system, coders)
        }
        await CallDeadline.$current.withValue(deadline) {
            await invoke(call, arguments, target, on: actor, system, coders)
        }
    }

    /// `number` → nil, when the actor of that number has ended.
    ///
    /// No Swift name has a space.
    static let terminated = "zproc terminated"

    private func answerTermination(_ call: IncomingCall, _ system: ZProcSystem) {
        guard let number = try? system.decoder.decode(UInt64.self, from: call.arguments) else {
            return call.fail(CallError(.badArguments, "\(call.method) wants a number"), encoder: system.errorCoder)
        }
        call.respond(encoder: system.errorCoder) {
            try await system.termination(of: number).value()
            return []
        }
    }

    /// Carries out a call where nobody has set a deadline.
    static func invoke(
        _ call: IncomingCall,
        _ arguments: CallArguments,
        _ target: DistributedTarget?,
        on actor: some DistributedActor,
        _ system: ZProcSystem,
        _ coders: ZProcSystem.Coders
    ) async {
        var decoder = CallDecoder(arguments, decoder: coders.decoder)
        // A new method is known when it has returned: any name may be called.
        let known = arguments.genericTypes.isEmpty ? target : nil
        let isNew = known == nil && arguments.genericTypes.isEmpty
        let handler = CallResultHandler(call, system: system, encoder: coders.encoder, isNew: isNew)
        if let known { return await known.execute(on: actor, &decoder, handler) }
        do {
            try await system.executeDistributedTarget(
                on: actor,
                target: RemoteCallTarget(call.method),
                invocationDecoder: &decoder,
                handler: handler
            )
        } catch {
            // The method itself reports through the handler; what arrives here kept it from running.
            let failure = error as? CallError ?? CallError(.methodNotFound, "\(call.method) cannot be called: \(error)")
            call.fail(failure, encoder: system.errorCoder)
        }
    }
}
