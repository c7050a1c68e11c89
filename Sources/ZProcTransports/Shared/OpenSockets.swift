// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// A link or a listener, whose socket closes when it has sent what was to be sent.
package protocol SocketOwner: AnyObject, Sendable {
    /// Sends what was to be sent, then closes.
    func close()
}

/// The links and listeners of a transport whose sockets are not closed yet.
package final class OpenSockets: Sendable {
    private struct State {
        /// By where they are in memory; why not by `ObjectIdentifier`, `CallTable` says.
        var owners: [UInt64: any SocketOwner] = Dictionary(room: 2)
        /// Who waits until there are none.
        var waiters: [UnsafeContinuation<Void, Never>] = []
        /// Whether all are being closed, later ones too.
        var isClosing = false
    }
    private let state = Mutex(State())

    package init() {}

    private static func key(_ owner: ObjectIdentifier) -> UInt64 { UInt64(UInt(bitPattern: owner)) }

    /// Adds one, which is closed at once when all the others are.
    package func insert(_ owner: any SocketOwner) {
        let isClosing = state.withLock { state in
            state.owners[Self.key(ObjectIdentifier(owner))] = owner
            return state.isClosing
        }
        if isClosing { owner.close() }
    }

    /// The socket of an owner has been closed.
    package func remove(_ owner: ObjectIdentifier) {
        let (removed, waiters) = state.withLock { state in
            let removed = state.owners.removeValue(forKey: Self.key(owner))
            guard state.owners.isEmpty else { return (removed, [UnsafeContinuation<Void, Never>]()) }
            defer { state.waiters = [] }
            return (removed, state.waiters)
        }
        withExtendedLifetime(removed) {}
        for waiter in waiters { waiter.resume() }
    }

    /// Closes all of them, and returns when that is done.
    package func closeAll() async {
        let owners = state.withLock { state in
            state.isClosing = true
            return Array(state.owners.values)
        }
        for owner in owners { owner.close() }
        await withUnsafeContinuation { waiter in
            let isDone = state.withLock { state in
                if !state.owners.isEmpty { state.waiters.append(waiter) }
                return state.owners.isEmpty
            }
            if isDone { waiter.resume() }
        }
    }
}
