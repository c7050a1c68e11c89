// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Who calls a node, and which of its calls wait there for an answer.
final class Caller: Sendable {
    /// How a call is taken.
    enum Admittance {
        case admitted
        /// At most once: whatever made it come again, it is not carried out again.
        case repeated
        case refused(WireError)
    }

    private struct State {
        var info: PeerInfo
        var window = CallWindow()
        /// Calls that have not been answered and can be cancelled, by their numbers.
        var open = NumberTable<IncomingCall>()
        /// What it calls by numbers.
        var aliases = AliasTable<Callee>()
        var rate: RateLimit?
        var isGone = false
    }

    let peer: PeerID
    /// What leads to it.
    private let listener: any TransportListener
    private let state: Mutex<State>

    init(_ peer: PeerID, _ info: PeerInfo, at listener: any TransportListener, rate: RateLimit?) {
        self.peer = peer
        self.listener = listener
        state = Mutex(State(info: info, rate: rate))
    }

    var info: PeerInfo { state.withLock { $0.info } }
    /// How many of its calls wait.
    var openCount: Int { state.withLock { $0.open.count } }

    /// One that says hello again is the same, and has taken what it has taken.
    func saysHello(_ info: PeerInfo) { state.withLock { $0.info = info } }

    /// The same for one that had left.
    func comesBack(_ info: PeerInfo) {
        state.withLock { state in
            state.info = info
            state.isGone = false
        }
    }

    /// Takes a call, once.
    ///
    /// - Parameters:
    ///   - id: the call.
    ///   - key: who the link says it comes from; not who said hello, who may have had another key.
    ///   - callee: what it is for.
    ///   - policy: who may do what.
    /// - Returns: how it is taken.
    func admit(
        _ id: CallID,
        from key: PublicKey?,
        to callee: Callee,
        _ policy: AccessPolicy
    ) -> Admittance {
        state.withLock { state in
            switch state.window.take(id) {
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
            if let refusal = policy.refusal(of: key, callee.role, callee.description) { return .refused(refusal) }
            if state.rate != nil, callee.isCounted, state.rate?.take(now: .now) == false {
                return .refused(
                    .overLimit("more than \(policy.limits?.requestsPerSecond ?? 0) requests in a second")
                )
            }
            return .admitted
        }
    }

    /// Enters a call that waits for its answer from now on.
    func open(_ call: IncomingCall, atMost most: Int) -> InboundCalls.Opening {
        state.withLock { state in
            // Nobody would wait for it, nor cancel it; and a number stands for one call at a time.
            guard !state.isGone, state.open[call.id.number] == nil else { return .gone }
            if state.open.count >= most {
                return .refused(.overLimit("\(most) calls of this client wait for an answer already"))
            }
            state.open.insert(call, for: call.id.number)
            return .open
        }
    }

    /// The call does not wait any more.
    ///
    /// - Returns: whether the caller is still there, to be answered.
    @discardableResult func close(_ id: CallID) -> Bool {
        let (call, isGone) = state.withLock { ($0.open.remove(id.number), $0.isGone) }
        call?.close()
        return !isGone
    }

    /// Calls a method by a number from now on; false when it may not be this number.
    ///
    /// What comes twice is the same.
    func add(_ callee: Callee, as alias: UInt64) -> Bool {
        state.withLock { state in
            if let known = state.aliases[alias] { return known.isCalled(callee.serviceName, callee.method) }
            return state.aliases.add(callee, as: alias)
        }
    }

    /// What it calls by a number; nil when it has not said so.
    func callee(of alias: UInt64) -> Callee? { state.withLock { $0.aliases[alias] } }

    /// Sends it a message; nobody waits for one at a caller that is gone.
    func send(_ head: [UInt8], body: [UInt8]) { try? listener.send(head, body: body, to: peer) }

    func cancel(_ id: CallID) { state.withLock { $0.open[id.number] }?.cancel() }

    /// It is not there any more, or this node is not: nothing waits, and nothing is answered.
    ///
    /// One that is told what became of its call when the node ended would not make it again.
    func leave() {
        let calls = state.withLock { state in
            state.isGone = true
            return state.open.removeAll()
        }
        for call in calls { call.cancel() }
    }
}
