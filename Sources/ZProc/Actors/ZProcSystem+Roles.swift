// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc
internal import ZProcCore

extension ZProcSystem {
    /// The system of a root context, which keeps the state.
    ///
    /// - Throws: ``TransportError`` for an address that cannot be used; ``StateError`` for storage that cannot.
    static func root(
        _ backend: Backend,
        address: String?,
        state options: StateOptions,
        options context: ContextOptions,
        program: String
    ) throws -> ZProcSystem {
        // A context that is made in a child process is as deep in the tree as that.
        let depth = ChildArgument.ofThisProcess?.depth ?? 0
        let place = ProcessPlace(ofContextAt: depth, context)
        let endpoint: Endpoint? = if let address { try absolute(Endpoint(address)) } else { nil }
        if let endpoint, !context.isInsecure { try endpoint.checkIsPrivate("set ContextOptions.isInsecure") }
        if backend == .threads, endpoint == nil {
            let anywhere = try Endpoint(.inproc, "*")
            let states = try StateTable.own(options, on: backend, beside: nil)
            return ZProcSystem(
                transports: Transports(home: .inproc, threadCount: place.threadCount),
                states: states,
                place: place
            ) { anywhere }
        }
        if let endpoint {
            let states = try StateTable.own(options, on: backend, beside: nil)
            return ZProcSystem(
                transports: Transports(home: endpoint.scheme, threadCount: place.threadCount),
                states: states,
                program: program,
                place: place,
                roll: ProcessRoll.inherited ?? ProcessRoll()
            ) { endpoint }
        }
        let directory = try RuntimeDirectory()
        let socket = try directory.endpoint(for: "hub", context.transport.scheme)
        let states = try StateTable.own(options, on: backend, beside: directory)
        return ZProcSystem(
            transports: Transports(home: socket.scheme, threadCount: place.threadCount),
            states: states,
            directory: directory,
            program: program,
            place: place,
            roll: ProcessRoll.inherited ?? ProcessRoll()
        ) { socket }
    }

    /// The system of a context whose state a hub keeps.
    ///
    /// Its own children reach it at a private address, whatever the hub's is.
    static func client(
        of access: HubAccess,
        _ backend: Backend,
        options context: ContextOptions
    ) throws -> ZProcSystem {
        let depth = ChildArgument.ofThisProcess?.depth ?? 0
        let place = ProcessPlace(ofContextAt: depth, context)
        let directory = try RuntimeDirectory()
        let socket = try directory.endpoint(for: "hub", context.transport.scheme)
        let system = ZProcSystem(
            transports: Transports(home: socket.scheme, threadCount: place.threadCount),
            states: StateTable(own: nil),
            directory: directory,
            place: place,
            roll: backend == .processes ? ProcessRoll.inherited ?? ProcessRoll() : nil
        ) { socket }
        system.hubs.join(access, system)
        return system
    }

    /// The system of a child process: it listens beside its parent.
    static func child(of argument: ChildArgument) -> ZProcSystem {
        let near = argument.parent.endpoint
        var options = ContextOptions()
        options.callsInFlight = argument.callsInFlight
        return ZProcSystem(
            transports: Transports(home: near.scheme, threadCount: argument.threadCount),
            states: StateTable(own: nil),
            place: ProcessPlace(depth: argument.depth, threadCount: argument.threadCount, options: options),
            roll: .inherited,
            id: argument.identity?.node ?? .random()
        ) { () throws(TransportError) in
            if let endpoint = argument.identity?.endpoint { return endpoint }
            return try near.beside("\(getpid())")
        }
    }

    /// Who a process, or on `.threads` a system, is to be that stands for others that have ended.
    func newIdentity() throws -> NodeAddress {
        let id = NodeID.random()
        return NodeAddress(
            endpoint: try node.address().endpoint.beside("\(RuntimeDirectory.hostPrefix)\(id)"),
            node: id
        )
    }

    /// The endpoint as processes with other working directories reach it.
    static func absolute(_ endpoint: Endpoint) throws(TransportError) -> Endpoint {
        guard endpoint.scheme == .unix || endpoint.scheme == .ipc, let first = endpoint.address.first,
            !(first == "/" || endpoint.scheme == .ipc && "@*".contains(first))
        else { return endpoint }
        guard let directory = getcwd(nil, 0) else {
            throw TransportError(
                .invalidEndpoint,
                "'\(endpoint)' is beside a working directory that is no more; write \(endpoint.scheme):///PATH"
            )
        }
        defer { free(directory) }
        return try Endpoint(endpoint.scheme, "\(String(cString: directory))/\(endpoint.address)")
    }
}
