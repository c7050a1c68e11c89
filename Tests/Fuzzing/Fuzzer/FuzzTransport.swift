// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

@testable import ZProcCore

/// A transport whose peers are made up: what they say is said by calling the receiver, and what they are told is kept.
final class FuzzTransport: Transport {
    let listener = FuzzListener()
    var taskExecutor: (any TaskExecutor)? { nil }

    func listen(at endpoint: Endpoint, options: ListenOptions) throws(TransportError) -> any TransportListener {
        listener
    }

    func connect(
        to endpoint: Endpoint,
        options: ConnectOptions,
        receiver: any LinkReceiver
    ) throws(TransportError) -> any TransportLink {
        throw TransportError(.unreachable, "there is nobody")
    }

    func shutdown() async {}
}

final class FuzzListener: TransportListener {
    private struct Answer: Hashable {
        let peer: PeerID
        let id: CallID
    }

    private struct State {
        var receiver: (any ListenerReceiver)?
        var answers: [Answer: Envelope] = [:]
    }
    private let state = Mutex(State())

    var endpoint: Endpoint {
        do { return try Endpoint(.inproc, "fuzz") } catch { preconditionFailure("\(error)") }
    }

    func start(_ receiver: any ListenerReceiver) { state.withLock { $0.receiver = receiver } }

    /// What a listener sends is well formed, and each call has one answer.
    func send(_ message: [UInt8], to peer: PeerID) {
        let envelope: Envelope
        do { envelope = try Envelope(decoding: message) } catch { preconditionFailure("a malformed answer: \(error)") }
        switch envelope {
        case .welcome, .refused, .probe: break
        case .failure(_, let error) where error.code == "tooLate": break
        case .success(let id, _), .failure(let id, _):
            let other = state.withLock { $0.answers.updateValue(envelope, forKey: Answer(peer: peer, id: id)) }
            precondition(other == nil, "call \(id.number) was answered twice")
        case .hello, .call, .cancel, .alias, .aliasedCall: preconditionFailure("a listener sent \(envelope)")
        }
    }

    func close() {}

    // MARK: The peers' side

    func receive(_ message: [UInt8], from peer: PeerID) {
        let receiver = state.withLock { $0.receiver }
        // As over ZeroMQ.
        for message in Bundle.messages(in: message) ?? [message] { receiver?.listenerReceived(message, from: peer) }
    }

    func answer(to id: CallID, of peer: PeerID) -> Envelope? {
        state.withLock { $0.answers.removeValue(forKey: Answer(peer: peer, id: id)) }
    }

    func lose(_ peer: PeerID) { state.withLock { $0.receiver }?.listenerLost(peer) }

    func forgetAnswers() { state.withLock { $0.answers.removeAll(keepingCapacity: true) } }
}
