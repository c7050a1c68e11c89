// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Glibc
internal import Synchronization
internal import ZProcCore
internal import ZProcSharedEngine

/// The states that this process has a part in: its own, if it is a root context's, and those of others.
final class StateTable: Sendable {
    private struct FeedID: Hashable {
        let namespace: EntryKey
        /// Nil for the state of this process.
        let home: StateHome?
    }

    private struct State {
        var feeds: [FeedID: ChangeFeed] = [:]
        /// States of other processes that this one has mapped, by the numbers of their openings.
        var mapped: [UInt64: SharedStore] = [:]
        /// When those were tried that could not be.
        var failed: [UInt64: ContinuousClock.Instant] = [:]
        var isShutDown = false
    }

    /// The state that lives here; nil in a child.
    let own: (any StateStore)?
    /// Where other processes of this machine find it.
    let reference: StoreReference?
    private let state = Mutex(State())
    /// Where the shared memory is; removed at the end.
    private let directory: RuntimeDirectory?

    init(own: (any StateStore)?, reference: StoreReference? = nil, directory: RuntimeDirectory? = nil) {
        self.own = own
        self.reference = reference
        self.directory = directory
    }

    /// The engine of a namespace, when this process can get at it without messages.
    func engine(for namespace: String, at home: StateHome?) -> (any StateEngine)? {
        guard let home else { return own?.engine(for: namespace) }
        guard let reference = home.store else { return nil }
        return store(reference)?.engine(for: namespace)
    }

    /// How long what could not be mapped is not tried again.
    private static let pause: Duration = .seconds(1)

    func store(_ reference: StoreReference) -> SharedStore? {
        state.withLock { state in
            if state.isShutDown { return nil }
            if let known = state.mapped[reference.number] { return known }
            if let tried = state.failed[reference.number], .now - tried < Self.pause { return nil }
            // On another machine the file is not there, or is another one: messages work from everywhere.
            let store = try? SharedStore.open(reference.path, number: reference.number)
            state.mapped[reference.number] = store
            state.failed[reference.number] = store == nil ? .now : nil
            return store
        }
    }

    /// The changes of a namespace, for all watches of this process.
    func feed(of namespace: String, at home: StateHome?, source: () -> any ChangeSource) -> ChangeFeed {
        state.withLock { state in
            let id = FeedID(namespace: EntryKey(namespace), home: home)
            if let feed = state.feeds[id] { return feed }
            let feed = ChangeFeed(source())
            if state.isShutDown { feed.end(.ended) } else { state.feeds[id] = feed }
            return feed
        }
    }

    /// How many watches this process has.
    var watchCount: Int { state.withLock { Array($0.feeds.values) }.reduce(0) { $0 + $1.watchCount } }

    /// Whether a state of another process is mapped.
    var isMapped: Bool { state.withLock { !$0.mapped.isEmpty } }

    /// A process of this context has ended, perhaps in the middle of something.
    func processEnded() {
        (own as? SharedStore)?.processEnded()
        for store in state.withLock({ Array($0.mapped.values) }) { store.processEnded() }
    }

    /// Ends all watches, and lets go of what is mapped.
    func shutdown() async {
        let ended = state.withLock { state in
            defer { state = State(isShutDown: true) }
            return state
        }
        for feed in ended.feeds.values { feed.end(.ended) }
        // A disk may have to be waited for.
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { [self] in
                for store in ended.mapped.values { store.close() }
                (own as? SharedStore)?.close()
                directory?.remove()
                continuation.resume()
            }
        }
    }
}

extension ZProcSystem {
    /// How to get at a namespace, which lives at `home` or, when that is nil or this process, here.
    func state(namespace: String, home: StateHome?) -> any StateAccess {
        do {
            try StateLimits.check(namespace: namespace)
        } catch {
            return UnavailableState(error: error)
        }
        let isHere = states.own != nil && (home == nil || home?.address.node == node.id)
        let place = isHere ? nil : home
        if let engine = states.engine(for: namespace, at: place) {
            let feed = states.feed(of: namespace, at: place) { EngineSource(engine) }
            return LocalState(engine: engine, feed: feed) { [self] in try place ?? ownHome() }
        }
        guard let place else {
            return UnavailableState(error: StateError(.unavailable, "this process is not told where the state lives"))
        }
        let client = StateClient(system: self, address: place.address)
        let feed = states.feed(of: namespace, at: place) { RemoteSource(namespace: namespace, client: client) }
        return RemoteState(namespace: namespace, place: place, feed: feed, client: client)
    }

    /// Where others find the state that lives here.
    ///
    /// Listens from then on.
    func ownHome() throws -> StateHome { StateHome(address: try node.address(), store: states.reference) }
}
