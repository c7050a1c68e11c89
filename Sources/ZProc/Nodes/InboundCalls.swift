// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Calls that come to a node from others: greets peers, finds the service, sends answers back.
///
/// Whatever arrives, the node lives on: what is no message is answered with a refusal.
final class InboundCalls: Sendable {
    private struct Running: Hashable {
        let peer: PeerID
        let id: CallID
    }

    private struct Peer {
        let info: PeerInfo
        var window = CallWindow()
    }

    private struct State {
        var listener: (any TransportListener)?
        var peers: [PeerID: Peer] = [:]
        var tasks: [Running: Task<Void, Never>] = [:]
        var isClosed = false
    }

    private let info: PeerInfo
    private let services: [String: any Service]
    private let transport: any Transport
    private let state = Mutex(State())

    init(info: PeerInfo, services: [String: any Service], transport: any Transport) {
        self.info = info
        self.transport = transport
        self.services = services
    }

    func listen(at endpoint: Endpoint, over transport: any Transport) throws(TransportError) -> Endpoint {
        let listener = try transport.listen(at: endpoint)
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
        let ended = state.withLock { state in
            defer { state = State(isClosed: true) }
            return state
        }
        for task in ended.tasks.values { task.cancel() }
        ended.listener?.close()
    }

    func reply(_ envelope: Envelope, to call: IncomingCall) {
        send(envelope, to: call.peer)
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
        let key = Running(peer: call.peer, id: call.id)
        state.withLock { state in
            // Nobody would wait for it, nor cancel it; and a number stands for one call at a time.
            guard !state.isClosed, state.peers[call.peer] != nil, state.tasks[key] == nil else { return }
            // Entered before it can end: its end waits for the lock.
            state.tasks[key] = Task(executorPreference: transport.taskExecutor, priority: priority) {
                await work()
                self.state.withLock { _ = $0.tasks.removeValue(forKey: key) }
            }
        }
    }

    private func send(_ envelope: Envelope, to peer: PeerID) {
        // A caller that is gone does not wait.
        try? state.withLock { $0.listener }?.send(envelope.encoded(), to: peer)
    }
}

extension InboundCalls: ListenerReceiver {
    func listenerReceived(_ message: [UInt8], from peer: PeerID) {
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
                state.withLock { $0.peers[peer] = Peer(info: caller) }
                send(.welcome(info), to: peer)
            case .call(let id, let service, let method, let arguments):
                let (caller, arrival) = state.withLock { ($0.peers[peer]?.info, $0.peers[peer]?.window.take(id)) }
                guard let caller, let arrival else { throw TransportError(.refused, "it called before it said hello") }
                switch arrival {
                case .new: break
                // At most once: whatever made it come again, it is not carried out again.
                case .repeated: return
                case .tooLate:
                    let error = WireError(
                        code: "tooLate",
                        message: "call \(id.number) came after \(CallWindow.size) later ones, and was not carried out"
                    )
                    return send(.failure(id, error), to: peer)
                }
                guard let handler = services[service] else {
                    let error = WireError(
                        code: "noService",
                        message: "process \(info.processID) has no service '\(service)'"
                    )
                    return send(.failure(id, error), to: peer)
                }
                handler.handle(
                    IncomingCall(
                        method: method,
                        arguments: arguments,
                        caller: caller,
                        id: id,
                        peer: peer,
                        inbound: self
                    )
                )
            case .cancel(let id):
                state.withLock { $0.tasks[Running(peer: peer, id: id)] }?.cancel()
            case .welcome, .refused, .success, .failure:
                throw TransportError(.malformed, "it sent what only a listener may send")
            }
        } catch {
            send(.refused(error.message), to: peer)
        }
    }

    func listenerLost(_ peer: PeerID) {
        let tasks = state.withLock { state in
            state.peers[peer] = nil
            return state.tasks.filter { $0.key.peer == peer }.map(\.value)
        }
        for task in tasks { task.cancel() }
    }
}
