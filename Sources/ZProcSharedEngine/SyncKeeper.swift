// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Glibc
internal import LMDB
internal import Synchronization
internal import ZProcCore

/// Syncs a state's file now and then, and keeps the last synced version whole until the next one is on the disk.
///
/// A reader that stays at the synced version keeps its pages from being used again. So between two syncs no page of the
/// file is used twice, and it grows by what is committed in that time.
final class SyncKeeper: Sendable {
    private struct State {
        /// Keeps the version that was synced last.
        var reader: Reader?
        var version = -1
        var isSyncing = false
    }

    private let path: String
    private let boot: [UInt8]
    private let control: SharedControl
    private let readers: ReaderPool
    private let state = Mutex(State())
    /// Waits for the disk, so that no other thread does.
    private let queue = DispatchQueue(label: "zproc.state.sync")

    init(_ path: String, boot: [UInt8], _ control: SharedControl, _ readers: ReaderPool) {
        self.path = path
        self.boot = boot
        self.control = control
        self.readers = readers
    }

    /// Begins a sync unless one is under way.
    func syncSoon() {
        let mustStart = state.withLock { state in
            defer { state.isSyncing = true }
            return !state.isSyncing
        }
        guard mustStart else { return }
        queue.async { [self] in
            // What failed is tried again next time; the version before is still whole.
            try? sync()
            state.withLock { $0.isSyncing = false }
        }
    }

    /// Syncs now, after the sync that is under way.
    func syncNow() throws { try queue.sync { try sync() } }

    /// Syncs for the last time: after this the file needs no sync point.
    ///
    /// Nothing is committed meanwhile.
    func finish(_ environment: Environment) throws {
        try queue.sync {
            try control.lock()
            defer { control.unlock() }
            try environment.sync()
            SyncPoint.remove(beside: path)
        }
    }

    /// Syncs, unless nothing was committed since the last time; on the queue.
    private func sync() throws {
        guard let file = readers.file() else { return }
        let reader = try readers.take()
        var kept = false
        defer { if !kept { readers.giveBack(reader) } }
        // While no commit is under way the first pages are those of the newest version.
        try control.lock()
        let pages: [UInt8]
        do {
            defer { control.unlock() }
            reader.transaction.reset()
            try reader.transaction.renew()
            if state.withLock({ $0.version == reader.transaction.id }) { return }
            pages = try firstPages(file.environment)
        }
        try file.environment.sync()
        try SyncPoint(boot: boot, pages: pages, of: path).write(beside: path)
        kept = true
        let old = state.withLock { state in
            defer {
                state.reader = reader
                state.version = reader.transaction.id
            }
            return state.reader
        }
        if let old { readers.giveBack(old) }
    }

    /// Lets go of the version that was kept.
    func stop() {
        queue.sync {
            let old = state.withLock { state in
                defer { state.reader = nil }
                return state.reader
            }
            if let old { readers.giveBack(old) }
        }
    }

    private func firstPages(_ environment: Environment) throws -> [UInt8] {
        var pages = [UInt8](repeating: 0, count: 2 * (try environment.info.pageSize))
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StateError.storage(errno, "sync", path) }
        defer { close(descriptor) }
        let count = pages.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard count == pages.count else { throw StateError.storage(count < 0 ? errno : EIO, "sync", path) }
        return pages
    }
}
