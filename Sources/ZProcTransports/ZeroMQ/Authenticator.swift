// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore
internal import ZeroMQ

/// Says to libzmq which keys may connect to which listener (ZAP, ZeroMQ RFC 27).
///
/// libzmq asks at an endpoint of its context, once for each handshake. A listener has a domain of its own; a question
/// about any other domain, or with another mechanism than CURVE, is answered with no.
final class Authenticator: Sendable {
    private struct State {
        var rules: [String: @Sendable (PublicKey) -> Bool] = [:]
        var socket: Socket?
    }
    private let state = Mutex(State())

    /// Adds a listener's rule, and starts to answer with the first one.
    ///
    /// - Returns: the listener's domain.
    func add(
        _ rule: @escaping @Sendable (PublicKey) -> Bool,
        in context: SocketContext
    ) throws(ZeroMQError) -> String {
        try state.withLock { state throws(ZeroMQError) in
            if state.socket == nil {
                let socket = try context.makeSocket(.router)
                try socket.bind(to: "inproc://zeromq.zap.01")
                try socket.deliver { [weak self, weak socket] batch in
                    var batch = batch
                    while let question = batch.popFirst() {
                        guard let self, let socket, var answer = answer([[UInt8]](question)) else {
                            continue
                        }
                        // It fails when the context ends; then nobody waits.
                        _ = try? socket.trySend(&answer)
                    }
                }
                state.socket = socket
            }
            let domain = "zproc-\(state.rules.count + 1)"
            state.rules[domain] = rule
            return domain
        }
    }

    /// The answer to `[route…, "", version, request, domain, address, identity, mechanism, key]`.
    private func answer(_ frames: [[UInt8]]) -> Multipart? {
        guard let gap = frames.firstIndex(of: []), frames.count >= gap + 7 else { return nil }
        let request = frames[(gap + 1)...].map { $0 }
        let domain = String(decoding: request[2], as: UTF8.self)
        let rule = state.withLock { $0.rules[domain] }
        let isCurve = String(decoding: request[5], as: UTF8.self) == "CURVE"
        let key = request.count > 6 ? PublicKey(bytes: request[6]) : nil
        let isWelcome = if isCurve, let key, let rule { rule(key) } else { false }
        var answer = Multipart()
        for frame in frames[...gap] { answer.append(Message(frame)) }
        answer.append(Message("1.0"))
        answer.append(Message(request[1]))
        answer.append(Message(isWelcome ? "200" : "400"))
        answer.append(Message(isWelcome ? "welcome" : "this key is not allowed"))
        answer.append(Message(isWelcome ? key?.description ?? "" : ""))
        answer.append(Message())
        return answer
    }
}
