// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Calls to one other node, over a link that this node opened.
///
/// Any number of calls are in flight at once; each is answered by its number. When the peer goes away, the calls that
/// wait fail at once, and so does every later one.
final class Connection: Sendable {
    /// Who waits for an answer.
    private enum Waiter {
        case task(UnsafeContinuation<ArraySlice<UInt8>, any Error>)
        case callback(@Sendable (Result<ArraySlice<UInt8>, any Error>) -> Void)

        func resume(with result: Result<ArraySlice<UInt8>, any Error>) {
            switch self {
            case .task(let task): task.resume(with: result)
            case .callback(let callback): callback(result)
            }
        }
    }

    /// A call in flight.
    private struct Waiting {
        let waiter: Waiter
        /// Whether it counts against the limit of calls in flight.
        let isLimited: Bool
    }

    /// A call that has just ended.
    private struct Ended {
        let waiter: Waiter
        /// Who may call in its place.
        let next: UnsafeContinuation<Void, any Error>?

        func resume(with result: Result<ArraySlice<UInt8>, any Error>) {
            waiter.resume(with: result)
            next?.resume()
        }
    }

    /// A method that the peer knows by a number.
    private struct Aliased {
        let service: String
        let method: String
    }

    private enum Phase {
        case greeting
        case open(PeerInfo)
        case closed(TransportError)
    }

    private struct State {
        var phase = Phase.greeting
        var link: (any TransportLink)?
        /// Messages that go out when the greeting has ended, ahead of the calls that wait for it.
        var queued: [(head: [UInt8], body: [UInt8])] = []
        var calls = CallTable<Waiting>()
        /// Calls that count against the limit of those in flight.
        var admission: Admission<UnsafeContinuation<Void, any Error>>
        var aliases = AliasTable<Aliased>()
        /// Whether somebody tells the peer of the next one.
        var isGivingAlias = false
        /// Who this node says it is.
        var info: PeerInfo?
        /// How to move to a socket of the peer on this machine; nil when it stays, or has looked for one.
        var move: NearbyMove?
        /// What hears of the link as long as it may move.
        var first: FirstLink?
        /// The question for the socket.
        var question: CallID?

        /// The number that the peer knows a method by; nil as long as it does not.
        func alias(_ service: String, _ method: String) -> UInt64? {
            aliases.first { $0.method == method && $0.service == service }
        }

        /// Takes out a call that waits no longer; nil when it does not wait any more.
        mutating func end(_ id: CallID) -> Ended? {
            guard let call = calls.remove(id) else { return nil }
            return Ended(waiter: call.waiter, next: call.isLimited ? admission.leave() : nil)
        }
    }

    private let endpoint: Endpoint
    private let expected: NodeID?
    private let state: Mutex<State>
    /// Who is at the other end.
    private let greeting = Promise<PeerInfo>()
    private let onClose: @Sendable (Connection) -> Void

    /// - Parameters:
    ///   - endpoint: where the peer listens.
    ///   - expected: the node to talk to; nil for whoever listens there.
    ///   - limit: how many limited calls may be in flight.
    ///   - onClose: called once, when the link has ended.
    init(
        to endpoint: Endpoint,
        expected: NodeID?,
        limit: Int,
        onClose: @escaping @Sendable (Connection) -> Void
    ) {
        state = Mutex(State(admission: Admission(limit: limit)))
        self.endpoint = endpoint
        self.expected = expected
        self.onClose = onClose
    }

    /// Opens the link and greets the peer.
    ///
    /// - Parameters:
    ///   - transport: what reaches the endpoint.
    ///   - options: how the link is opened.
    ///   - info: who this node says it is.
    ///   - move: how to go on over a socket that the peer has on this machine, before anything else is said; nil to stay.
    /// - Throws: why it cannot be opened.
    func open(
        over transport: any Transport,
        options: ConnectOptions = ConnectOptions(),
        as info: PeerInfo,
        movingBy move: NearbyMove? = nil
    ) throws(TransportError) {
        let first = move.map { _ in FirstLink(of: self) }
        let link = try transport.connect(to: endpoint, options: options, receiver: first ?? self)
        let closed = state.withLock { state -> TransportError? in
            // The end may have come first.
            if case .closed(let error) = state.phase { return error }
            state.link = link
            state.info = info
            state.move = move
            state.first = first
            return nil
        }
        if let closed {
            link.close()
            throw closed
        }
        try link.send(Envelope.hello(info).encoded())
    }

    /// Calls `method` of `service` and waits for the answer.
    ///
    /// Cancelling the task ends the wait with `CancellationError` and tells the peer, which cancels the work.
    ///
    /// - Parameters:
    ///   - service: whom to call.
    ///   - method: what to do.
    ///   - arguments: its arguments, encoded.
    ///   - request: names what the call changes, where it may be made again.
    ///   - isLimited: whether it counts against the limit of calls in flight, and waits until it may be one.
    /// - Returns: the answer.
    /// - Throws: ``TransportError`` when the peer is not there or goes away; ``WireError`` when the call failed there.
    func call(
        _ service: String,
        _ method: String,
        arguments: [UInt8],
        request: UpdateRequest? = nil,
        isLimited: Bool = false
    ) async throws -> ArraySlice<UInt8> {
        // Who asks from an actor leaves it: others may wait for what is done here, and the actor may be busy by then. To
        // leave and to come back costs two looks for an executor, which the others need not pay for.
        if Self.isOnActor() {
            return try await callElsewhere(service, method, arguments, request, isLimited: isLimited)
        }
        return try await callHere(service, method, arguments, request, isLimited: isLimited)
    }

    /// Whether the caller runs on an actor.
    ///
    /// A function of its own, because Swift 6.3.1 makes of `#isolation != nil` what it then refuses.
    private static func isOnActor(_ isolation: (any Actor)? = #isolation) -> Bool { isolation != nil }

    @concurrent private func callElsewhere(
        _ service: String,
        _ method: String,
        _ arguments: [UInt8],
        _ request: UpdateRequest?,
        isLimited: Bool
    ) async throws -> ArraySlice<UInt8> {
        try await callHere(service, method, arguments, request, isLimited: isLimited)
    }

    private func callHere(
        _ service: String,
        _ method: String,
        _ arguments: [UInt8],
        _ request: UpdateRequest?,
        isLimited: Bool
    ) async throws -> ArraySlice<UInt8> {
        // Most tasks are in no trace, and need not pay for it.
        if !Trace.isOn { return try await call(service, method, arguments, request, isLimited: isLimited, trace: []) }
        return try await Trace.withClientSpan(service, method) { trace in
            try await call(service, method, arguments, request, isLimited: isLimited, trace: trace)
        }
    }

    private func call(
        _ service: String,
        _ method: String,
        _ arguments: [UInt8],
        _ request: UpdateRequest?,
        isLimited: Bool,
        trace: [String]
    ) async throws -> ArraySlice<UInt8> {
        guard arguments.count <= Envelope.maximumByteCount else {
            throw TransportError(
                .tooLarge,
                "the arguments of \(service).\(method) have \(arguments.count) bytes, of at most "
                    + "\(Envelope.maximumByteCount); pass large data in parts"
            )
        }
        let mayHaveAlias = method.utf8.count >= Self.longMethod && request == nil && trace.isEmpty
        // Usually it has been greeted, and there is room.
        let known = state.withLock { state -> (CallID, (any TransportLink)?, UInt64?)? in
            guard case .open = state.phase, !isLimited || state.admission.enter() else { return nil }
            return (state.calls.makeID(), state.link, mayHaveAlias ? state.alias(service, method) : nil)
        }
        if known == nil {
            do {
                _ = try await peer()
            } catch let error as TransportError {
                throw Self.unsent(error)
            }
            if isLimited, !state.withLock({ $0.admission.enter() }) { try await waitForRoom() }
        }
        let (id, link, alias) = known ?? state.withLock { ($0.calls.makeID(), $0.link, nil) }
        let (head, body): Envelope.Parts
        if let alias {
            (head, body) = Envelope.parts(ofCall: id, alias: alias, arguments: arguments)
        } else {
            if mayHaveAlias { giveAlias(service, method, over: link) }
            (head, body) = Envelope.parts(
                ofCall: id,
                service: service,
                method: method,
                arguments: arguments,
                request: request,
                trace: trace
            )
        }
        return try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { (task: UnsafeContinuation<ArraySlice<UInt8>, any Error>) in
                let closed = state.withLock { state -> TransportError? in
                    if case .closed(let error) = state.phase { return error }
                    state.calls.add(Waiting(waiter: .task(task), isLimited: isLimited), for: id)
                    return nil
                }
                if let closed { return task.resume(throwing: Self.unsent(closed)) }
                do throws(TransportError) {
                    try link?.send(head, body: body)
                } catch {
                    state.withLock { $0.end(id) }?.resume(with: .failure(Self.unsent(error)))
                }
                guard Task.isCancelled else { return }
                // Cancelled before there was anything to cancel, or before the call went out: then the peer has ignored it.
                cancel(id)
                try? link?.send(Envelope.cancel(id).encoded())
            }
        } onCancel: {
            cancel(id)
        }
    }

    /// Fewer bytes are not worth a number.
    private static let longMethod = 16

    /// Has later calls of a method send a number, if the peer is the same program, which knows about that.
    private func giveAlias(_ service: String, _ method: String, over link: (any TransportLink)?) {
        guard let link, service.utf8.count + method.utf8.count <= AliasTable<Aliased>.mostByteCount else { return }
        // One after the other, because the peer takes the next number only; other methods go by their names meanwhile.
        let alias = state.withLock { state -> UInt64? in
            guard case .open(let peer) = state.phase, peer.build == state.info?.build, !state.isGivingAlias,
                state.alias(service, method) == nil, let next = state.aliases.next
            else { return nil }
            state.isGivingAlias = true
            return next
        }
        guard let alias else { return }
        let isSent = (try? link.send(Envelope.alias(alias, service: service, method: method).encoded())) != nil
        state.withLock { state in
            state.isGivingAlias = false
            // Not before: what sends the number must not overtake what says what it is. And the link may have ended.
            guard isSent, case .open = state.phase else { return }
            _ = state.aliases.add(Aliased(service: service, method: method), as: alias)
        }
    }

    private func waitForRoom() async throws {
        let ticket = state.withLock { $0.admission.makeTicket() }
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { (waiter: UnsafeContinuation<Void, any Error>) in
                let known = state.withLock { state -> Result<Void, any Error>? in
                    if case .closed(let error) = state.phase { return .failure(Self.unsent(error)) }
                    return state.admission.wait(waiter, ticket: ticket) ? nil : .success(())
                }
                if let known { return waiter.resume(with: known) }
                if Task.isCancelled { giveUp(ticket) }
            }
        } onCancel: {
            giveUp(ticket)
        }
    }

    private func giveUp(_ ticket: UInt64) {
        state.withLock { $0.admission.abandon(ticket) }?.resume(throwing: CancellationError())
    }

    /// Calls at once: the message is on its way, ahead of any later call, when this returns.
    ///
    /// What is asked like this is no part of a trace.
    ///
    /// - Parameters:
    ///   - service: whom to call.
    ///   - method: what to do.
    ///   - arguments: its arguments, encoded.
    ///   - callback: called once, with the answer or the error.
    func start(
        _ service: String,
        _ method: String,
        arguments: [UInt8],
        callback: @escaping @Sendable (Result<ArraySlice<UInt8>, any Error>) -> Void
    ) {
        enum Next { case send((any TransportLink)?), wait, fail(TransportError) }
        let id = state.withLock { $0.calls.makeID() }
        let (head, body) = Envelope.parts(ofCall: id, service: service, method: method, arguments: arguments)
        let next = state.withLock { state -> Next in
            if case .closed(let error) = state.phase { return .fail(error) }
            state.calls.add(Waiting(waiter: .callback(callback), isLimited: false), for: id)
            if case .open = state.phase { return .send(state.link) }
            state.queued.append((head, body))
            return .wait
        }
        switch next {
        case .wait: break
        case .fail(let error): callback(.failure(Self.unsent(error)))
        case .send(let link):
            do throws(TransportError) {
                try link?.send(head, body: body)
            } catch {
                state.withLock { $0.end(id) }?.resume(with: .failure(Self.unsent(error)))
            }
        }
    }

    private func cancel(_ id: CallID) {
        let (ended, link) = state.withLock { ($0.end(id), $0.link) }
        guard let ended else { return }
        // When the link is gone there is nobody to tell.
        try? link?.send(Envelope.cancel(id).encoded())
        ended.resume(with: .failure(CancellationError()))
    }

    /// Who is at the other end; waits for the greeting.
    ///
    /// Cancelling ends the wait with `CancellationError`: a peer may accept and never greet.
    func peer() async throws -> PeerInfo {
        if let known = state.withLock({ if case .open(let peer) = $0.phase { peer } else { nil } }) { return known }
        return try await greeting.value()
    }

    /// Ends the link; calls that wait fail with `error`.
    func close(_ error: TransportError) {
        let ended = state.withLock { state -> State? in
            if case .closed = state.phase { return nil }
            defer { state = State(phase: .closed(error), admission: Admission(limit: 1)) }
            return state
        }
        guard var ended else { return }
        ended.link?.close()
        // First, so that whoever tries again at once gets another connection.
        onClose(self)
        greeting.settle(.failure(error))
        for waiter in ended.admission.close() { waiter.resume(throwing: Self.unsent(error)) }
        // Nothing goes out before the greeting.
        let isSent = if case .greeting = ended.phase { false } else { true }
        for call in ended.calls.removeAll() { call.waiter.resume(with: .failure(isSent ? error : Self.unsent(error))) }
    }

    /// The error of a call that has not left this process, and so has not run.
    private static func unsent(_ error: TransportError) -> TransportError {
        guard error.code == .peerGone else { return error }
        return TransportError(.unreachable, "the call was not sent, and can be made again: \(error.message)")
    }
}

extension Connection: LinkReceiver {
    func linkReceived(_ message: [UInt8]) {
        do throws(TransportError) {
            switch try Envelope(decoding: message) {
            case .welcome(let peer): try welcomed(by: peer)
            case .refused(let reason):
                // One that has welcomed this node before may have carried out calls.
                let isKnown = state.withLock { if case .open = $0.phase { true } else { false } }
                throw TransportError(isKnown ? .peerGone : .refused, "\(endpoint) refuses this node: \(reason)")
            case .success(let id, let result):
                state.withLock { $0.end(id) }?.resume(with: .success(result))
            case .failure(let id, let error):
                state.withLock { $0.end(id) }?.resume(with: .failure(error))
            case .probe: break
            case .hello, .call, .cancel, .alias, .aliasedCall:
                throw TransportError(.malformed, "\(endpoint) sent what only a caller may send")
            }
        } catch {
            close(error)
        }
    }

    func linkClosed(_ error: TransportError) { close(error) }

    private func welcomed(by peer: PeerInfo) throws(TransportError) {
        if let expected, peer.node != expected {
            throw TransportError(.peerGone, "the node at \(endpoint) has gone; another one listens there now")
        }
        let move = state.withLock { state -> NearbyMove? in
            if case .greeting = state.phase { state.move.take() } else { nil }
        }
        if let move { try look(for: peer, move) } else { try begin(with: peer) }
    }

    /// The greeting is over.
    private func begin(with peer: PeerInfo) throws(TransportError) {
        // What was queued goes out before the phase changes: nothing may overtake it.
        while true {
            let (queued, link) = state.withLock { state in
                defer { state.queued = [] }
                if state.queued.isEmpty, case .greeting = state.phase { state.phase = .open(peer) }
                return (state.queued, state.link)
            }
            if queued.isEmpty { break }
            for (head, body) in queued { try link?.send(head, body: body) }
        }
        greeting.settle(.success(peer))
    }

    // MARK: Moving

    /// Asks the peer for a socket on this machine, and moves there if it has one.
    private func look(for peer: PeerInfo, _ move: NearbyMove) throws(TransportError) {
        let asked = state.withLock { state -> (CallID, (any TransportLink)?) in
            let id = state.calls.makeID()
            let waiter = Waiter.callback { [self] in answered($0, by: peer, move) }
            state.calls.add(Waiting(waiter: waiter, isLimited: false), for: id)
            state.question = id
            return (id, state.link)
        }
        let arguments = FieldWriter.bytes(count: 0) { _ in }
        let (head, body) = Envelope.parts(
            ofCall: asked.0,
            service: HubService.name,
            method: HubMethod.move.rawValue,
            arguments: arguments
        )
        try asked.1?.send(head, body: body)
    }

    private func answered(
        _ answer: Result<ArraySlice<UInt8>, any Error>,
        by peer: PeerInfo,
        _ move: NearbyMove
    ) {
        guard let info = state.withLock({ if case .greeting = $0.phase { $0.info } else { nil } }) else { return }
        guard let bytes = try? answer.get(), let socket = try? NearbySocket(decoding: bytes) else {
            // It has none, or is none that knows about that.
            do throws(TransportError) { try begin(with: peer) } catch { close(error) }
            return
        }
        guard socket.stands(for: endpoint) else { return greetAgain() }
        NearbyLink.open(move, to: socket.socket, of: peer.node, as: info, for: self)
    }

    /// Goes on over another link to the same node.
    func move(to link: any TransportLink, of peer: PeerInfo) {
        let left = state.withLock { state -> (any TransportLink)? in
            guard case .greeting = state.phase else { return link }
            defer { state.link = link }
            state.first?.leave()
            // There, numbers begin anew.
            if let question = state.question { state.calls.takeBack(question) }
            return state.link
        }
        left?.close()
        do throws(TransportError) { try begin(with: peer) } catch { close(error) }
    }

    /// Stays where it is: the peer, which took this node for gone, is greeted once more.
    func greetAgain() {
        let (link, info) = state.withLock { state -> ((any TransportLink)?, PeerInfo?) in
            if case .greeting = state.phase { (state.link, state.info) } else { (nil, nil) }
        }
        guard let link, let info else { return }
        do throws(TransportError) { try link.send(Envelope.hello(info).encoded()) } catch { close(error) }
    }
}
