// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CSharedStore
internal import Dispatch
internal import Glibc
internal import LMDB
internal import Synchronization
package import ZProcCore

/// Namespaces in memory or a file that processes of one machine map: each reads and commits by itself.
///
/// One process makes the store and ends it, others open it. The data is LMDB's; beside it is a control file with the lock
/// of the writers and the word that wakes watchers (`CSharedStore`). The lock is held while an update runs, by one
/// thread, never across a suspension; a process that is killed in the middle leaves the last commit and a free lock.
package final class SharedStore: StateStore {
    /// The state's file.
    package let path: String
    /// A number made for this opening of the file.
    package var number: UInt64 { settings.number }

    let settings: cshared_settings
    let history: HistoryLimits
    let control: SharedControl
    let readers: ReaderPool
    let table: Database
    private let role: Role
    private let engines = Mutex(EngineTable<SharedNamespace>())
    /// Where updates wait for the lock when it is not free at once, so that no thread of a task does.
    private let waitingRoom = DispatchQueue(label: "zproc.state.writer")
    private let monitor: StoreMonitor
    private let syncKeeper: SyncKeeper

    enum Role: Sendable {
        /// Made the store, and ends it: a file that is not synced is removed.
        case owner(StateSync?)
        case guest
    }

    init(
        path: String,
        control: SharedControl,
        file: StoreFile,
        table: Database,
        role: Role,
        boot: [UInt8] = []
    ) {
        self.path = path
        self.control = control
        self.table = table
        self.role = role
        settings = control.settings
        history = HistoryLimits(settings)
        readers = ReaderPool(file)
        monitor = StoreMonitor(control: control)
        syncKeeper = SyncKeeper(path, boot: boot, control, readers)
    }

    /// Before the first commit: what is there now is on the disk, or it is written down that it need not be.
    func beginSyncing(boot: [UInt8]) throws {
        guard case .owner(let sync?) = role else { return }
        switch sync {
        case .periodic(let period):
            try syncKeeper.syncNow()
            monitor.repeatAction(every: max(period.countable, .milliseconds(1))) { [syncKeeper] in syncKeeper.syncSoon()
            }
        case .none:
            try readers.environment()?.sync()
            try SyncPoint(boot: boot, pages: [], of: path).write(beside: path)
        case .eachCommit:
            try readers.environment()?.sync()
            SyncPoint.remove(beside: path)
        }
    }

    deinit { finish() }

    package func engine(for namespace: String) -> any StateEngine {
        engines.withLock { engines in
            if let engine = engines.find(namespace) { return engine }
            let engine = SharedNamespace(namespace, in: self)
            // A store that has been closed is not kept by what it keeps.
            // What is known of a namespace is in the file.
            if readers.file() != nil { engines.insert(engine, for: namespace) { _ in true } }
            return engine
        }
    }

    /// How many namespaces it remembers.
    package var engineCount: Int { engines.withLock { $0.all.count } }

    package func namespaces() throws(StateError) -> [String] {
        try mapErrors {
            try readers.read { transaction in
                var names: [String] = [], numbers: [(UInt32, String)] = []
                try transaction.withCursor(in: table) { cursor in
                    var entry = try StoreKey.withNames { try cursor.seek(atLeast: $0) }
                    while let (key, value) = entry, let name = StoreKey.name(of: key) {
                        if let number = StoreKey.number(value) { numbers.append((number, name)) }
                        entry = try cursor.next()
                    }
                    for (number, name) in numbers where try NamespaceRecord(of: number, name, cursor).exists {
                        names.append(name)
                    }
                }
                return names.sorted()
            }
        }
    }

    package func forgetReplies(before time: Int64) async throws {
        var next: RepliesName? = (0, 0)
        while let place = next {
            next = try await writeInTurn { [self] in
                try mapErrors { try forgetSomeReplies(before: time, from: place) }
            }
            // Nobody who waits for the lock is handed it: updates have their turn now.
            if next != nil { try await Task.sleep(for: .milliseconds(1)) }
        }
    }

    private typealias RepliesName = (client: UInt64, greatest: UInt64)
    /// How many blocks of answers are looked at in one transaction, and how many are forgotten.
    private static let repliesTogether = (seen: 1_000, forgotten: 100)

    /// Forgets some answers, with the lock.
    ///
    /// - Returns: where to go on; nil at the end.
    private func forgetSomeReplies(before time: Int64, from place: RepliesName) throws -> RepliesName? {
        guard let environment = readers.environment() else { return nil }
        let transaction = try WriteTransaction(environment)
        var seen = 0, forgotten = 0
        let next = try transaction.withCursor(in: table) { cursor -> RepliesName? in
            var entry = try StoreKey.withReplies(place.client, upTo: place.greatest) { try cursor.seek(atLeast: $0) }
            while let (key, value) = entry, let name = StoreKey.replies(of: key) {
                if seen == Self.repliesTogether.seen || forgotten == Self.repliesTogether.forgotten { return name }
                seen += 1
                guard ReplyBlock.time(value) ?? .min < time else {
                    entry = try cursor.next()
                    continue
                }
                if forgotten == 0 {
                    let info = try environment.info, count = Self.repliesTogether.forgotten
                    let demand = PageDemand(removingNeighbours: count, lastPage: info.lastPageNumber)
                    try reserve(demand, environment, info)
                }
                forgotten += 1
                try cursor.delete()
                entry = try cursor.current()
            }
            return nil
        }
        // What has changed nothing ends with nothing.
        if forgotten > 0 { try transaction.commit() }
        return next
    }

    /// A process of the context has ended, perhaps with a view of the state, or between a commit and telling of it.
    package func processEnded() {
        lookAfterTheDead()
        // Processes that it had started end a moment later, and nobody here is told of them.
        waitingRoom.asyncAfter(deadline: .now() + .seconds(1)) { [weak self] in self?.lookAfterTheDead() }
    }

    private func lookAfterTheDead() {
        waitingRoom.async { [control, readers] in
            guard let environment = readers.environment() else { return }
            _ = try? environment.checkReaders()
            // The commit of one that was killed in its last instructions counts from when the next one begins.
            guard (try? control.lock()) != nil else { return }
            _ = try? WriteTransaction(environment)
            control.unlock()
            control.announce()
        }
    }

    /// Lets go of the file; its owner removes it when it is not to be kept.
    ///
    /// Snapshots that are still held copy themselves out. The file can be opened again when this returns: it waits for
    /// reads that are under way, and for the disk. Safe to call twice.
    package func close() {
        let freed = readers.file()?.freed
        finish()
        _ = freed?.wait(timeout: .now() + .seconds(10))
    }

    private func finish() {
        monitor.stop()
        guard let environment = readers.close() else { return }
        engines.withLock { $0.removeAll() }
        // The version that was synced last is kept until all is synced.
        defer { syncKeeper.stop() }
        guard case .owner(let sync) = role else { return }
        unlink(Self.controlPath(path))
        if sync == nil {
            unlink(path + "-lock")
            unlink(path)
        } else {
            // If it fails, the last synced version is still there to come back to.
            try? syncKeeper.finish(environment)
        }
    }

    /// Puts what has been committed on the disk, for a state with `sync: .periodic`.
    package func syncNow() throws(StateError) { try mapErrors { try syncKeeper.syncNow() } }

    // MARK: For the namespaces

    /// Takes the writers' lock if it is free, or will be in a moment, and there is no disk to wait for.
    ///
    /// Most updates take less than handing them to another thread would.
    func beginWriting(pauses: Int = SharedStore.pauses) -> Bool {
        settings.sync_mode == 0 && control.tryLock(pauses: pauses)
    }

    /// Gives the lock back.
    func endWriting() { control.unlock() }

    /// Runs `body` with the writers' lock, on a thread that may wait for it.
    func writeInTurn<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withUnsafeThrowingContinuation { continuation in
            waitingRoom.async { [control] in
                continuation.resume(
                    with: Result {
                        try control.lock()
                        defer { control.unlock() }
                        return try body()
                    }
                )
            }
        }
    }

    private static let pauses = 8

    func observe(_ action: @escaping @Sendable () -> Void) -> any Cancellable { monitor.observe(action) }

    var observersExecutor: any TaskExecutor { monitor.executor }

    /// Whether the thread that tells of commits sleeps through them, because nobody has wanted to know for a while.
    package var sleepsThroughCommits: Bool { monitor.sleepsDeeply }

    /// The state as it is now, kept for as long as somebody looks at it.
    func pin(_ reader: Reader, namespace: UInt32, count: Int) -> PinnedView {
        let view = PinnedView(reader, namespace: namespace, table: table, pool: readers)
        monitor.pin(view, count: count)
        return view
    }

    func announce() { control.announce() }

    /// Makes sure that the file has room for what an update adds; with the lock.
    ///
    /// The memory behind a mapped file that cannot grow is missed when it is written to, which ends the process. So the
    /// room is there first, and an update that would need more than there is fails before it has written anything.
    func reserve(_ pages: PageDemand, _ environment: Environment, _ info: Environment.Info) throws {
        let pageSize = UInt64(info.pageSize), used = UInt64(info.lastPageNumber + 1)
        let least = (used + UInt64(pages.count)) * pageSize
        // What makes the state smaller may use room that nothing else may.
        let needed = pages.makesRoom ? least : least + Self.spareBytes
        let allocated = control.allocated
        if needed <= allocated { return }
        // Pages that only the dead still look at can be used again by the next update.
        try environment.checkReaders()
        let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw StateError.storage(errno, "grow", path) }
        defer { Glibc.close(descriptor) }
        let step = min(max(allocated / 4, 1 << 20), 16 << 20)
        for wanted in [allocated + step, needed] where wanted >= needed {
            let error = cshared_allocate(descriptor, allocated, wanted)
            switch error {
            case 0:
                control.allocated = wanted
                return
            case EOPNOTSUPP, ENOSYS:
                // This file system gives room only when it is written to.
                control.allocated = .max
                return
            case ENOSPC, EDQUOT: continue
            default: throw StateError.storage(error, "grow", path)
            }
        }
        // Snapshots keep pages from being used again, and these are needed now.
        monitor.unpin()
        // Pages of the past may be free. Single ones will do for small values; large ones lie in one piece, as does LMDB's
        // list of the pages that become free.
        let hasRoomForLists = pages.count < Self.pagesOfOneList || (used + Self.listPages) * pageSize <= allocated
        if pages.areSingle, hasRoomForLists, try readers.read({ try $0.freePageCount() }) >= 2 * pages.count { return }
        throw StateError.storage(ENOSPC, "grow", path)
    }

    private static let spareBytes: UInt64 = 1 << 20
    private static let listPages: UInt64 = 64
    /// The numbers of so many pages fit into one.
    private static let pagesOfOneList = 250
}

extension HistoryLimits {
    init(_ settings: cshared_settings) {
        self.init(
            count: Int(settings.history_count),
            age: settings.history_age < 0 ? nil : .microseconds(settings.history_age),
            byteCount: settings.history_bytes < 0 ? nil : Int(settings.history_bytes)
        )
    }
}
