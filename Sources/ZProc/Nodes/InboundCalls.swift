// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Synchronization
internal import ZProcCore

/// Calls that come to a node from others: greets peers, finds the service, sends answers back.
///
/// Whatever arrives, the node lives on: what is no message is answered with a refusal.
final class InboundCalls: Sendable {
    /// A caller; to be touched with the lock only.
    private final class Peer {
        var info: PeerInfo
        var window = CallWindow()
        /// Calls that have not been answered and can be cancelled.
        var open: [CallID: OpenCall] = [:]
        var rate: RateLimit?

        init(info: PeerInfo, rate: RateLimit?) {
            self.info = info
            self.rate = rate
        }
    }

    /// How a call is taken.
    private enum Admittance {
        case admitted(PeerInfo)
        case stranger
        /// At most once: whatever made it come again, it is not carried out again.
        case repeated
        case refused(WireError)
    }

    /// Whether a call has become one that waits for its answer.
    enum Opening {
        case open
        /// Nobody waits for it.
        case gone
        case refused(WireError)
    }

    private struct State {
        var listener: (any TransportListener)?
        var peers: [PeerID: Peer] = [:]
        /// Whether callers are about to be asked whether they are there.
        var isProbing = false
        var isClosed = false
    }

    private let info: PeerInfo
    private let services: [String: any Service]
    private let transport: any Transport
    /// Who may do what, and how much of it.
    let policy: AccessPolicy
    private let metrics: MetricsSlot
    private let state = Mutex(State())

    init(
        info: PeerInfo,
        services: [String: any Service],
        transport: any Transport,
        policy: AccessPolicy = AccessPolicy(),
        metrics: MetricsSlot
    ) {
        self.metrics = metrics
        self.info = info
        self.transport = transport
        self.services = services
        self.policy = policy
    }

    func listen(at endpoint: Endpoint) throws(TransportError) -> Endpoint {
        let listener = try transport.listen(at: endpoint, options: policy.listenOptions)
        // Whoever has waited for the endpoint is answered through it.
        state.withLock { $0.listener = listener }
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
        let (open, listener) = state.withLock { state in
            defer { state = State(isClosed: true) }
            return (state.peers.values.flatMap(\.open.values), state.listener)
        }
        for call in open { call.cancel() }
        listener?.close()
    }

    /// Answers a call, which is not open any more when its caller gets to know.
    func reply(_ envelope: Envelope, to call: IncomingCall) {
        call.observation?.answered(envelope)
        let message = envelope.encoded()
        metrics.current?.sent(message)
        let (released, listener) = state.withLock { state in
            (state.peers[call.peer]?.open.removeValue(forKey: call.id), state.listener)
        }
        released?.close()
        // A caller that is gone does not wait.
        try? listener?.send(message, to: call.peer)
    }

    /// Runs `work` on a task that a cancel message, or the loss of the caller, cancels.
    ///
    /// - Parameters:
    ///   - call: the call it is for.
    ///   - priority: that of the caller; nil for the usual one.
    ///   - work: what to do.
    func start(
        _ call: IncomingCall,
        priority: TaskPriority? = nil,
        work: @concurrent @escaping @Sendable () async -> Void
    ) {
        let entry = OpenCall()
        switch open(call, as: entry) {
        case .gone: return
        case .refused(let error): return reply(.failure(call.id, error), to: call)
        case .open: break
        }
        // Not with the lock, for which the answers of others wait.
        entry.begin(
            Task(executorPreference: transport.taskExecutor, priority: priority) {
                await work()
                // Should it not have been answered.
                if !entry.isClosed { self.release(call) }
            }
        )
    }

    /// Keeps a call open that no task works on; see ``IncomingCall/hold(onCancel:)``.
    func hold(_ call: IncomingCall, onCancel: @escaping @Sendable () -> Void) -> Opening {
        open(call, as: OpenCall(onCancel: onCancel))
    }

    func release(_ call: IncomingCall) {
        state.withLock { $0.peers[call.peer]?.open.removeValue(forKey: call.id) }?.close()
    }

    /// Enters a call that waits for its answer from now on.
    private func open(_ call: IncomingCall, as entry: OpenCall) -> Opening {
        let most = policy.limits?.callsInFlight ?? .max
        return state.withLock { state in
            // Nobody would wait for it, nor cancel it; and a number stands for one call at a time.
            guard !state.isClosed, let peer = state.peers[call.peer], peer.open[call.id] == nil else {
                return .gone
            }
            if peer.open.count >= most {
                return .refused(.overLimit("\(most) calls of this client wait for an answer already"))
            }
            peer.open[call.id] = entry
            return .open
        }
    }

    /// Tells of what clients do, not of what the processes of a context do among themselves.
    private func log(_ message: Logger.Message, _ facts: @autoclosure () -> Logger.Metadata) {
        if policy.limits != nil { Log.hub.debug(message, metadata: facts()) }
    }

    private func send(_ envelope: Envelope, to peer: PeerID) {
        let message = envelope.encoded()
        metrics.current?.sent(message)
        // A caller that is gone does not wait.
        try? state.withLock { $0.listener }?.send(message, to: peer)
    }
}

extension InboundCalls: ListenerReceiver {
    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
        metrics.current?.received(message)
        do throws(TransportError) {
            switch try Envelope(decoding: message) {
            case .hello(let caller):
                guard caller.protocolVersion == info.protocolVersion else {
                    throw TransportError(
                        .refused,
                        "it speaks protocol version \(caller.protocolVersion), this node (process \(info.processID)) "
                            + "version \(info.protocolVersion); use the same release on both sides"
                    )
                }
                let isRoom = state.withLock { state in
                    guard state.peers[peer] != nil || state.peers.count < policy.limits?.peers ?? .max else {
                        return false
                    }
                    // One that says hello again is the same client, and has taken what it has taken.
                    let known = state.peers[peer] ?? Peer(info: caller, rate: policy.makeRateLimit())
                    known.info = caller
                    state.peers[peer] = known
                    return true
                }
                guard isRoom else {
                    throw TransportError(.refused, "it has as many clients as it may (\(policy.limits?.peers ?? 0))")
                }
                log("a client has come", Log.facts([.process: caller.processID, .build: caller.build]))
                send(.welcome(info), to: peer)
            case .call(let id, let service, let method, let arguments, let request, let trace):
                let caller: PeerInfo
                switch admit(id, from: peer, service, method) {
                case .admitted(let known): caller = known
                case .stranger: throw TransportError(.refused, "it called before it said hello")
                case .repeated: return
                case .refused(let error):
                    metrics.current?.refusedMessage()
                    log("a call is refused", Log.facts([.method: "\(service).\(method)", .error: error.message]))
                    return send(.failure(id, error), to: peer)
                }
                guard let handler = services[service] else {
                    let error = WireError(
                        code: "noService",
                        message: "process \(info.processID) has no service '\(service)'"
                    )
                    return send(.failure(id, error), to: peer)
                }
                let observation = CallObservation(handler, method, trace: trace, metrics.current)
                let call = IncomingCall(
                    method: method,
                    arguments: arguments,
                    caller: caller,
                    request: request,
                    id: id,
                    peer: peer,
                    inbound: self,
                    observation: observation
                )
                if let observation { observation.carryOut { handler.handle(call) } } else { handler.handle(call) }
            case .cancel(let id):
                state.withLock { $0.peers[peer]?.open[id] }?.cancel()
            case .welcome, .refused, .success, .failure, .probe:
                throw TransportError(.malformed, "it sent what only a listener may send")
            }
        } catch {
            metrics.current?.refusedMessage()
            log("a message is refused", Log.facts([.error: error.message]))
            send(.refused(error.message), to: peer)
        }
    }

    private func admit(_ id: CallID, from peer: PeerID, _ service: String, _ method: String) -> Admittance {
        let limits = policy.limits
        return state.withLock { state in
            guard let known = state.peers[peer] else { return .stranger }
            switch known.window.take(id) {
            case .new: break
            case .repeated: return .repeated
            case .tooLate:
                return .refused(
                    WireError(
                        code: "tooLate",
                        message: "call \(id.number) came after \(CallWindow.size) later ones, and was not carried out"
                    )
                )
            }
            let needed = services[service]?.role(for: method) ?? .reader
            if let refusal = policy.refusal(of: peer.key, needed, "\(service).\(method)") { return .refused(refusal) }
            if known.rate != nil, known.rate?.take(now: .now) == false {
                return .refused(.overLimit("more than \(limits?.requestsPerSecond ?? 0) requests in a second"))
            }
            return .admitted(known.info)
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
        Task { [weak self] in
            try? await Task.sleep(for: Self.probePause)
            self?.probe()
        }
    }

    /// Finds out which callers are still there: one that is not is lost.
    private func probe() {
        state.withLock { $0.isProbing = false }
        for peer in state.withLock({ Array($0.peers.keys) }) { send(.probe, to: peer) }
    }

    /// How many callers there are, and how many calls of theirs have not been answered.
    var counts: (peers: Int, calls: Int) {
        state.withLock { ($0.peers.count, $0.peers.values.reduce(0) { $0 + $1.open.count }) }
    }

    func listenerLost(_ peer: PeerID) {
        let lost = state.withLock { state in
            state.peers.removeValue(forKey: peer).map { (process: $0.info.processID, calls: Array($0.open.values)) }
        }
        guard let lost else { return }
        log("a client has gone", Log.facts([.process: lost.process]))
        for call in lost.calls { call.cancel() }
    }
}
