// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import ZProcCore

/// Hubs: contexts that programs on this machine and others share.
extension Context {
    /// Makes a context whose state is kept by another program: a published context, or `zproc serve`.
    ///
    ///     let context = try await Context(connectingTo: "tcp://10.0.0.1:5555", credentials: credentials)
    ///     try await context.state.increment("visits")
    ///
    /// What it spawns are processes of this machine, which use the same state. When the hub goes away, calls wait for it
    /// to come back and are then made again, each change once; watches go on where they were. Call ``shutdown()`` when
    /// done, or use ``withContext(connectingTo:credentials:backend:options:patience:_:)``, whose body runs on the threads
    /// that wait for the hub's answers and so has them sooner.
    ///
    /// - Parameters:
    ///   - address: where the hub listens.
    ///   - credentials: the keys, when the hub has some.
    ///   - backend: what `spawn` makes.
    ///   - options: how it treats what it spawns.
    ///   - patience: how long the hub may take to answer at first, and be away later, before calls fail; an hour at most.
    /// - Throws: ``TransportError`` when nobody listens there, at once; when nobody answers; or when the hub refuses:
    ///   `refused` for keys that are not allowed; ``SpawnError`` for options that no context can have.
    public convenience init(
        connectingTo address: String,
        credentials: Credentials? = nil,
        backend: Backend = .processes,
        options: ContextOptions = ContextOptions(),
        patience: Duration = .seconds(30)
    ) async throws {
        let access = HubAccess(
            endpoint: try ZProcSystem.absolute(Endpoint(address)),
            credentials: credentials,
            patience: max(.zero, min(patience, Self.replyLifetime)),
            transport: options.transport
        )
        try self.init(joining: access, backend: backend, options: options)
        do {
            try await system.hubs.client(at: access.endpoint)?.greet(within: access.patience)
        } catch {
            await shutdown()
            throw error
        }
    }

    /// How long a hub remembers what it has answered to clients that do not come back.
    static let replyLifetime: Duration = .seconds(3_600)

    /// Lets other programs in at an address: they share the state, and with the same build send closures.
    ///
    ///     let address = try context.publish(at: "tcp://10.0.0.1:5555", HubOptions(keys: keys))
    ///
    /// May be called for several addresses, each with its own options. Without keys, an `ipc://` address is open to
    /// processes of this user, and a `tcp://` address must be one of the loopback unless ``HubOptions/isInsecure`` says
    /// otherwise: whoever may send closures may run any code. Without keys, clients of the same user on this machine go
    /// on over a socket in a private directory, see ``ContextOptions/transport``.
    ///
    /// - Parameters:
    ///   - address: where to listen, such as `tcp://127.0.0.1:*` or `ipc:///run/user/1000/hub`.
    ///   - options: who may do what.
    /// - Returns: the address to connect to, with the port chosen for `*`.
    /// - Throws: ``TransportError``: `addressInUse` names the process that listens there; `refused` for an address that
    ///   needs keys; ``StateError`` in a context that has no state of its own.
    @discardableResult
    public func publish(at address: String, _ options: HubOptions = HubOptions()) throws -> String {
        let endpoint = try Endpoint(address)
        guard system.states.own != nil else {
            throw StateError(.unavailable, "only a context that keeps its state itself can be published")
        }
        if options.keys == nil, !options.isInsecure {
            try endpoint.checkIsPrivate("give HubOptions.keys, or set HubOptions.isInsecure")
        }
        let policy = AccessPolicy(keys: options.keys, limits: options.limits)
        let socket = self.options.transport == .unixSockets ? system.nearbySocket(for: endpoint, policy) : nil
        let place = try system.node.publish(at: endpoint, policy, nearby: socket).endpoint.description
        system.keepReplies()
        return place
    }

    /// A hub as it says of itself, and how long the answer took.
    ///
    /// - Throws: ``TransportError``; ``StateError`` in a context that keeps its state itself.
    public func ping() async throws -> (hub: HubInfo, roundTrip: Duration) {
        let start = ContinuousClock.now
        let answer = try await callHub(.ping, [])
        let roundTrip = .now - start
        return (try system.decoder.decode(HubInfo.self, from: answer), roundTrip)
    }

    /// The hub's process and those it has spawned.
    public func hubProcesses() async throws -> [ProcessInfo] {
        try system.decoder.decode([ProcessInfo].self, from: await callHub(.processes, []))
    }

    /// Has the hub stop one of its processes, and waits until it has gone.
    ///
    /// - Returns: whether it has spawned a process of that number.
    public func stopHubProcess(_ processID: Int) async throws -> Bool {
        let arguments = try system.encoder.encode(ArgumentList(processID))
        return try system.decoder.decode(Bool.self, from: await callHub(.stop, arguments))
    }

    private func callHub(_ method: HubMethod, _ arguments: [UInt8]) async throws -> ArraySlice<UInt8> {
        guard let home, let client = system.hubs.client(at: home.address.endpoint) else {
            throw StateError(.unavailable, "this context is connected to no hub; it keeps its state itself")
        }
        return try await client.call(HubService.name, method.rawValue, arguments: arguments, isChange: false)
    }
}

extension ZProcSystem {
    /// Where else to listen for clients of an endpoint, as far as they are on this machine; nil for nowhere.
    fileprivate func nearbySocket(for endpoint: Endpoint, _ policy: AccessPolicy) -> Endpoint? {
        switch endpoint.scheme {
        case .unix, .inproc: return nil
        // A socket cannot tell keys.
        case .tcp, .ipc: return policy.keys == nil ? try? makeNearbySocket() : nil
        }
    }

    /// Forgets from now on what clients were answered that have been away for too long.
    fileprivate func keepReplies() {
        replyKeeper.withLock { keeper in
            guard keeper == nil else { return }
            let states = states
            keeper = Task {
                while !Task.isCancelled {
                    let oldest = wallClockMicroseconds() - Int64(Context.replyLifetime / .microseconds(1))
                    // Tried again later; a full disk is no reason to end.
                    try? await states.own?.forgetReplies(before: oldest)
                    try? await Task.sleep(for: Context.replyLifetime / 6)
                }
            }
        }
    }
}

extension Endpoint {
    /// Makes sure that only this machine reaches it.
    ///
    /// - Parameter remedy: what to do where that is not what is wanted.
    /// - Throws: ``TransportError/Code/refused`` when others do.
    func checkIsPrivate(_ remedy: String) throws(TransportError) {
        guard !isPrivate else { return }
        throw TransportError(
            .refused,
            "\(self) can be reached from other machines, and without keys everybody there could run code as this user; "
                + "listen at 127.0.0.1, publish the context with keys, or \(remedy)"
        )
    }

    /// Whether only this machine reaches it.
    var isPrivate: Bool {
        guard scheme == .tcp, let colon = address.lastIndex(of: ":") else { return true }
        var host = address[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        if host == "localhost" || host == "lo" || host == "::1" { return true }
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        return numbers.count == 4 && numbers[0] == 127 && numbers.allSatisfy { $0 != nil }
    }
}
