// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Distributed
internal import MessagePack
internal import Synchronization
internal import WeakReferences
internal import ZProcCore

/// Carries out calls to the actors that live here.
final class ActorService: Service {
    static let name = "actor"

    /// The system's node owns this service, and the system owns the node.
    private let system: WeakReference<ZProcSystem>

    init(_ system: ZProcSystem) { self.system = WeakReference(system) }

    /// A call that is open, of a method that is likely not to wait for anything.
    private struct ShortCall {
        let call: IncomingCall
        let target: DistributedTarget
    }
    /// In the order they came.
    private let shortCalls = Mutex(Deque<ShortCall>())

    func handle(_ call: IncomingCall) {
        guard let system = system.object else { return }
        if call.method == Self.terminated { return answerTermination(call, system) }
        guard let target = system.targets.known(call.method), target.habit.expectsNoWait,
            let threads = call.inbound.threads
        else { return start(call, system) }
        guard call.inbound.opens(call) else { return }
        let isFirst = shortCalls.withLock { calls in
            defer { calls.append(ShortCall(call: call, target: target)) }
            return calls.isEmpty
        }
        // Those behind it are found by whoever carries it out.
        if isFirst { threads.enqueue { [self] othersWait in carryOutNext(othersWait) } }
    }

    // MARK: Short calls

    /// Carries out the short call that has waited longest, on the calling thread.
    ///
    /// One after the other, each from its bytes to its answer: what a call needs is in the processor's caches by then, where
    /// the things of a hundred calls that have been begun are not.
    ///
    /// - Returns: whether there was one.
    private func carryOutNext(_ othersWait: () -> Void) -> Bool {
        let (next, isLast) = shortCalls.withLock { ($0.popFirst(), $0.isEmpty) }
        guard let next else { return false }
        if !isLast { othersWait() }
        if let observation = next.call.observation {
            observation.carryOut { carryOut(next) }
        } else {
            carryOut(next)
        }
        return true
    }

    private func carryOut(_ short: ShortCall) {
        guard let system = system.object, let (arguments, actor) = prepare(short.call, system) else { return }
        UnboundTask.runHere { [call = short.call, target = short.target] in
            let task = Task(priority: arguments.circumstances?.taskPriority) { @UnboundTask in
                await Self.execute(call, arguments, target, on: actor, system)
            }
            call.begin(task)
        }
        short.target.habit.ended(withoutWait: short.call.isOver)
    }

    // MARK: Calls

    /// Has a task of its own carry out a call.
    private func start(_ call: IncomingCall, _ system: ZProcSystem) {
        guard let (arguments, actor) = prepare(call, system) else { return }
        call.inbound.start(call) { threads in
            Task(executorPreference: threads, priority: arguments.circumstances?.taskPriority) {
                await Self.execute(call, arguments, system.targets.known(call.method), on: actor, system)
            }
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

    @concurrent private static func execute(
        _ call: IncomingCall,
        _ arguments: CallArguments,
        _ target: DistributedTarget?,
        on actor: any DistributedActor,
        _ system: ZProcSystem
    ) async {
        let deadline = arguments.circumstances?.deadline
        // Nearly always there is none, here and there.
        if deadline == nil, CallDeadline.current == nil {
            return await invoke(call, arguments, target, on: actor, system: system)
        }
        await CallDeadline.$current.withValue(deadline) {
            await invoke(call, arguments, target, on: actor, system: system)
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

    private static func invoke(
        _ call: IncomingCall,
        _ arguments: CallArguments,
        _ target: DistributedTarget?,
        on actor: some DistributedActor,
        system: ZProcSystem
    ) async {
        let coders = system.coders
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
