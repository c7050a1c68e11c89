// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Synchronization
internal import WeakReferences
internal import ZProcCore

/// Calls that come to a node from others: greets peers, finds the service, sends answers back.
///
/// Whatever arrives, the node lives on: what is no message is answered with a refusal.
final class InboundCalls: Sendable {
    /// Whether a call has become one that waits for its answer.
    enum Opening {
        case open
        /// Nobody waits for it.
        case gone
        case refused(WireError)
    }

    private struct State {
        var listener: (any TransportListener)?
        var callers: [PeerID: Caller] = [:]
        /// Those that have been told to go on elsewhere, and may say hello here again.
        var moved: [PeerID: Caller] = [:]
        /// The one that called last, which is likely to call next.
        var recent: Caller?
        /// What was called last, which is likely to be called next.
        var recentCallee: Callee?
        /// Whether callers are about to be asked whether they are there.
        var isProbing = false
        /// Where callers on this machine are better off.
        var nearby: NearbySocket?
        var isClosed = false

        mutating func caller(_ peer: PeerID) -> Caller? {
            if let recent, recent.peer == peer { return recent }
            recent = callers[peer]
            return recent
        }

        mutating func callee(_ serviceName: String, _ method: String, of services: ServiceTable) -> Callee {
            if let recentCallee, recentCallee.isCalled(serviceName, method) { return recentCallee }
            let callee = Callee(serviceName, method, of: services)
            // What somebody made up is not kept.
            if callee.service != nil, method.utf8.count <= AliasTable<Callee>.mostByteCount { recentCallee = callee }
            return callee
        }
    }

    private let info: PeerInfo
    private let services: ServiceTable
    /// The one that does together what has come together.
    private let collector: (any Service)?
    private let transport: any Transport
    /// The same; nil when its threads do no work.
    private let workingTransport: (any WorkingTransport)?
    /// Whether the threads that its messages come by do work; asked for each call, and the transport is slow to copy.
    let hasWorkThreads: Bool
    /// Who may do what, and how much of it.
    let policy: AccessPolicy
    /// How many callers there are, also at other endpoints where they count together.
    private let seats: Seats
    private let metrics: MetricsSlot
    /// Names of methods that are called, some of which are long.
    private let methods = KnownStrings()
    private let state = Mutex(State())

    init(
        info: PeerInfo,
        services: ServiceTable,
        transport: any Transport,
        policy: AccessPolicy = AccessPolicy(),
        seats: Seats = Seats(),
        metrics: MetricsSlot
    ) {
        self.seats = seats
        self.metrics = metrics
        self.info = info
        self.transport = transport
        workingTransport = transport as? any WorkingTransport
        hasWorkThreads = workingTransport != nil
        self.services = services
        collector = services[StateService.name]
        self.policy = policy
    }

    /// Answers who calls at an endpoint.
    ///
    /// - Parameters:
    ///   - endpoint: where to listen.
    ///   - makeNearby: makes the socket where callers on this machine are better off, if there is to be one; called with
    ///     where it listens, before anybody is answered there.
    /// - Returns: where it listens, with the port chosen for `*`.
    /// - Throws: why it cannot listen there.
    func listen(
        at endpoint: Endpoint,
        nearby makeNearby: (Endpoint) -> NearbySocket? = { _ in nil }
    ) throws(TransportError) -> Endpoint {
        let listener = try transport.listen(at: endpoint, options: policy.listenOptions)
        let nearby = makeNearby(listener.endpoint)
        // Whoever has waited for the endpoint is answered through it.
        state.withLock { state in
            state.listener = listener
            state.nearby = nearby
        }
        do throws(TransportError) {
            try listener.start(self)
        } catch {
            state.withLock { $0.listener = nil }
            listener.close()
            throw error
        }
        return listener.endpoint
    }

    /// Stops listening and cancels what runs.
    func close() {
        let (callers, listener) = state.withLock { state in
            defer { state = State(isClosed: true) }
            return (state.callers.values, state.listener)
        }
        for caller in callers { caller.leave() }
        listener?.close()
    }

    /// Answers a call, which is not open any more when its caller gets to know.
    func reply(_ outcome: Result<[UInt8], WireError>, to call: IncomingCall) {
        call.observation?.answered(outcome)
        // A caller that is gone does not wait.
        guard call.caller.close(call.id) else { return }
        let (head, body) =
            switch outcome {
            case .success(let result): Envelope.parts(ofSuccess: call.id, result: result)
            case .failure(let error): (Envelope.failure(call.id, error).encoded(), [])
            }
        metrics.current?.sent(head.count + body.count)
        call.caller.send(head, body: body)
    }

    /// Has a task answer a call; a cancel message, or the loss of the caller, cancels it.
    ///
    /// - Parameters:
    ///   - call: the call it is for.
    ///   - makeTask: makes the task, with the preference it is given; what a task does is not handed on, because each
    ///     hand costs a closure and two frames.
    func start(_ call: IncomingCall, _ makeTask: ((any TaskExecutor)?) -> Task<Void, Never>) {
        // Not with the lock, for which the answers of others wait.
        if openOrRefuse(call) { call.begin(makeTask(transport.taskExecutor)) }
    }

    /// Enters a call that somebody will answer, or tells its caller that it has too many.
    ///
    /// - Returns: whether it is open; not when nobody waits for it either.
    func openOrRefuse(_ call: IncomingCall) -> Bool {
        switch open(call) {
        case .gone: return false
        case .refused(let error):
            reply(.failure(error), to: call)
            return false
        case .open: return true
        }
    }

    /// The threads that its messages come by, when they do work, as long as they have not ended.
    var workThreads: (any TransportExecutor)? { workingTransport?.workThreads }

    /// Enters a call that waits for its answer from now on.
    func open(_ call: IncomingCall) -> Opening {
        call.caller.open(call, atMost: policy.limits?.callsInFlight ?? .max)
    }

    /// Tells of what clients do, not of what the processes of a context do among themselves.
    private func log(_ message: Logger.Message, _ facts: @autoclosure () -> Logger.Metadata) {
        if policy.limits != nil { Log.hub.debug(message, metadata: facts()) }
    }

    private func send(_ envelope: Envelope, to peer: PeerID) {
        let message = envelope.encoded()
        metrics.current?.sent(message.count)
        // A caller that is gone does not wait.
        try? state.withLock { $0.listener }?.send(message, to: peer)
    }
}

extension InboundCalls: ListenerReceiver {
    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        metrics.current?.received(message.count)
        do throws(TransportError) {
            switch try Envelope(decoding: message, known: methods) {
            case .hello(let caller):
                guard caller.protocolVersion == info.protocolVersion else {
                    throw TransportError(
                        .refused,
                        "it speaks protocol version \(caller.protocolVersion), this node (process \(info.processID)) "
                            + "version \(info.protocolVersion); use the same release on both sides"
                    )
                }
                switch welcome(peer, caller) {
                case .welcome: break
                case .full(let most): throw TransportError(.refused, "it has as many clients as it may (\(most))")
                case .closed: throw TransportError(.refused, "it has just been shut down")
                }
                log("a client has come", Log.facts([.process: caller.processID, .build: caller.build]))
                send(.welcome(info), to: peer)
            case .call(let id, let service, let method, let arguments, let request, let trace):
                let (known, callee) = state.withLock { state in
                    (state.caller(peer), state.callee(service, method, of: services))
                }
                guard let caller = known else { throw Self.noHello }
                received(id, callee, arguments, request, trace, from: caller, peer)
            case .aliasedCall(let id, let alias, let arguments):
                guard let caller = state.withLock({ $0.caller(peer) }) else { throw Self.noHello }
                guard let callee = caller.callee(of: alias) else {
                    throw TransportError(.malformed, "it called alias \(alias), which it has to give to a method first")
                }
                received(id, callee, arguments, nil, [], from: caller, peer)
            case .alias(let alias, let service, let method):
                guard let caller = state.withLock({ $0.caller(peer) }) else { throw Self.noHello }
                guard service.utf8.count + method.utf8.count <= AliasTable<Callee>.mostByteCount,
                    caller.add(Callee(service, method, of: services), as: alias)
                else {
                    throw TransportError(
                        .malformed,
                        "alias \(alias) cannot be given: only the next one can, \(AliasTable<Callee>.mostCount) in all, "
                            + "to names of \(AliasTable<Callee>.mostByteCount) bytes at most"
                    )
                }
            case .cancel(let id):
                state.withLock { $0.caller(peer) }?.cancel(id)
            case .welcome, .refused, .success, .failure, .probe:
                throw TransportError(.malformed, "it sent what only a listener may send")
            }
        } catch {
            metrics.current?.refusedMessage()
            log("a message is refused", Log.facts([.error: error.message]))
            send(.refused(error.message), to: peer)
        }
    }

    private static let noHello = TransportError(.refused, "it called before it said hello")

    private func received(
        _ id: CallID,
        _ callee: Callee,
        _ arguments: ArraySlice<UInt8>,
        _ request: UpdateRequest?,
        _ trace: [String],
        from caller: Caller,
        _ peer: PeerID
    ) {
        // Not the key of who said hello, who may have had another one.
        switch caller.admit(id, from: peer.key, to: callee, policy) {
        case .admitted: break
        case .repeated: return
        case .refused(let error):
            metrics.current?.refusedMessage()
            log("a call is refused", Log.facts([.method: callee.description, .error: error.message]))
            return send(.failure(id, error), to: peer)
        }
        guard let service = callee.service else {
            let text = "process \(info.processID) has no service '\(callee.serviceName)'"
            return send(.failure(id, WireError(code: "noService", message: text)), to: peer)
        }
        let observation = CallObservation.begin(service, callee.method, trace: trace, metrics.current)
        let call = IncomingCall(
            method: callee.method,
            arguments: arguments,
            caller: caller,
            request: request,
            id: id,
            inbound: self,
            observation: observation
        )
        if let observation { observation.carryOut { service.handle(call) } } else { service.handle(call) }
    }

    func listenerReceivedTogether(_ deliver: () -> Void) {
        if let collector { collector.handleTogether(deliver) } else { deliver() }
    }

    /// What becomes of a peer that says hello.
    private enum Reception { case welcome, full(Int), closed }

    /// Takes a caller in, if there is room.
    private func welcome(_ peer: PeerID, _ info: PeerInfo) -> Reception {
        state.withLock { state in
            if let known = state.callers[peer] {
                known.saysHello(info)
                return .welcome
            }
            // Its socket may be at its last messages.
            guard let listener = state.listener else { return .closed }
            let most = policy.limits?.peers ?? .max
            guard seats.take(atMost: most) else { return .full(most) }
            if let back = state.moved.removeValue(forKey: peer) {
                back.comesBack(info)
                state.callers[peer] = back
            } else {
                state.callers[peer] = Caller(peer, info, at: listener, rate: policy.makeRateLimit())
            }
            return .welcome
        }
    }

    /// How long it takes at most, and how long the transport has, until a link that has ended is known to be that.
    private static let probePause: Duration = .seconds(1)

    /// Finds out, a moment later, which callers are still there; however many go in that time, it is done once.
    func listenerLostSomebody() {
        let isNew = state.withLock { state in
            if state.isClosed || state.isProbing { return false }
            state.isProbing = true
            return true
        }
        guard isNew else { return }
        Task { [calls = WeakReference(self)] in
            try? await Task.sleep(for: Self.probePause)
            calls.object?.probe()
        }
    }

    /// Finds out which callers are still there: one that is not is lost.
    private func probe() {
        let peers = state.withLock { state in
            state.isProbing = false
            return Array(state.callers.keys) + Array(state.moved.keys)
        }
        for peer in peers { send(.probe, to: peer) }
    }

    /// How many callers there are, and how many calls of theirs have not been answered.
    var counts: (peers: Int, calls: Int) {
        let callers = state.withLock { Array($0.callers.values) }
        return (callers.count, callers.reduce(0) { $0 + $1.openCount })
    }

    func listenerLost(_ peer: PeerID) {
        let (lost, moved) = state.withLock { state in
            if state.recent?.peer == peer { state.recent = nil }
            return (state.callers.removeValue(forKey: peer), state.moved.removeValue(forKey: peer))
        }
        // Let go of outside the lock.
        withExtendedLifetime(moved) {}
        if let lost { leave(lost) }
    }

    private func leave(_ caller: Caller) {
        seats.leave()
        log("a client has gone", Log.facts([.process: caller.info.processID]))
        caller.leave()
    }
}

extension InboundCalls {
    /// Tells a caller where to go on, and forgets it: there it will say hello again, or here when it cannot.
    ///
    /// - Parameters:
    ///   - call: its question.
    ///   - answer: makes the answer of where that is, nil when it is to stay.
    func move(_ call: IncomingCall, _ answer: (NearbySocket?) throws -> [UInt8]) rethrows {
        let nearby = state.withLock(\.nearby), result = try answer(nearby)
        guard nearby != nil else { return call.succeed(result) }
        let caller = call.caller
        let isHere = state.withLock { state in
            guard state.callers[caller.peer] === caller else { return false }
            if state.recent === caller { state.recent = nil }
            state.moved[caller.peer] = state.callers.removeValue(forKey: caller.peer)
            return true
        }
        guard isHere else { return }
        leave(caller)
        // Last: it may say hello as soon as it has the answer.
        call.observation?.answered(.success(result))
        let message = Envelope.success(call.id, result: result[...]).encoded()
        metrics.current?.sent(message.count)
        caller.send(message, body: [])
    }
}

/// How many clients there are of those that may be, at one endpoint or at several together.
final class Seats: Sendable {
    private let taken = Mutex(0)

    /// Takes one; false when there are no more.
    func take(atMost most: Int) -> Bool {
        taken.withLock { taken in
            guard taken < most else { return false }
            taken += 1
            return true
        }
    }

    func leave() { taken.withLock { $0 -= 1 } }
}
