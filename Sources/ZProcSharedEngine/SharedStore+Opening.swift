// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CSharedStore
internal import Glibc
internal import LMDB
package import ZProcCore

extension SharedStore {
    /// Makes a store for this process and those it starts, or opens the file of a former one.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - sync: nil for a store that ends with its owner, in memory; else when the file is written to the disk.
    ///   - history: how much of the past is kept.
    /// - Returns: The store, open.
    /// - Throws: ``StateError``: storageInUse, storageDamaged, storageFull, storageUnusable.
    package static func create(
        at path: String,
        sync: StateSync?,
        history: HistoryLimits
    ) throws(StateError) -> SharedStore {
        try create(at: path, sync: sync, history: history, boot: sync == nil ? [] : SyncPoint.currentBoot())
    }

    /// The same, by a machine whose start has this name.
    package static func create(
        at path: String,
        sync: StateSync?,
        history: HistoryLimits,
        boot: [UInt8]
    ) throws(StateError) -> SharedStore {
        let lock = try FileLock(path)
        // What this makes and then cannot use is not left behind.
        let isNew = lock.isNew, lockIsNew = access(path + "-lock", F_OK) != 0
        var isOpen = false
        defer {
            if !isOpen {
                if isNew { unlink(path) }
                if lockIsNew { unlink(path + "-lock") }
            }
        }
        return try mapErrors {
            if sync != nil { try SyncPoint.recover(path, boot: boot) }
            var mapSize = 64 << 30
            let length = lock.fileLength
            var settings = cshared_settings()
            settings.number = .random(in: 1...UInt64.max)
            settings.writes_through_map = sync == nil ? 1 : 0
            settings.sync_mode = sync == .eachCommit ? 1 : 0
            settings.history_count = UInt64(history.count)
            settings.history_age = history.age?.microseconds ?? -1
            settings.history_bytes = history.byteCount.map { Int64($0) } ?? -1
            while true {
                settings.map_size = UInt64(mapSize)
                // Room for the first pages is there before they are written through the map.
                let room = sync == nil ? try lock.allocate(Self.firstBytes) : 0
                let environment: Environment
                do {
                    environment = try Environment(path: path, options: options(settings))
                } catch let error as LMDBError
                    where [.noMemory, .invalidArgument].contains(error.code) && mapSize > 1 << 30
                {
                    // Little address space is allowed, or exists, as in valgrind; the map holds less, then.
                    mapSize /= 4
                    // LMDB has made the file as long as the map was to be, and a map is never shorter than its file.
                    try lock.cut(to: length)
                    continue
                }
                let info = try environment.info
                guard lock.fileLength >= (info.lastPageNumber + 1) * info.pageSize else {
                    throw StateError(.storageDamaged, "\(path) has been cut short; restore a copy")
                }
                let table = try makeTable(environment, path)
                let control = try SharedControl(creating: controlPath(path), settings)
                control.allocated = room
                let file = StoreFile(environment, lock)
                let store = SharedStore(
                    path: path,
                    control: control,
                    file: file,
                    table: table,
                    role: .owner(sync),
                    boot: boot
                )
                try store.beginSyncing(boot: boot)
                isOpen = true
                return store
            }
        }
    }

    /// Opens the store that another process of this machine made.
    ///
    /// - Throws: ``StateError`` when it is not there, or is another one.
    package static func open(_ path: String, number: UInt64) throws(StateError) -> SharedStore {
        let control = try SharedControl(opening: controlPath(path))
        guard control.settings.number == number else {
            throw StateError(.storageUnusable, "\(path) is another state than the one meant")
        }
        return try mapErrors {
            let environment = try Environment(path: path, options: options(control.settings))
            let transaction = try ReadTransaction(environment)
            let table = try environment.openDatabase(in: transaction)
            let file = StoreFile(environment, nil)
            return SharedStore(path: path, control: control, file: file, table: table, role: .guest)
        }
    }

    private static let firstBytes: UInt64 = 1 << 20

    static func controlPath(_ path: String) -> String { path + "-control" }

    private static let format = "zproc state 3"

    private static func options(_ settings: cshared_settings) -> Environment.Options {
        var options = Environment.Options()
        options.mapSize = Int(settings.map_size)
        options.maximumReaders = 4096
        options.maximumDatabases = 0
        options.writesThroughMap = settings.writes_through_map != 0
        options.syncsCommits = settings.sync_mode != 0
        options.syncsMeta = settings.sync_mode != 0
        return options
    }

    private static func makeTable(_ environment: Environment, _ path: String) throws -> Database {
        let transaction = try WriteTransaction(environment)
        let table = try environment.openDatabase(in: transaction)
        if try environment.info.lastTransactionID == 0 {
            try withUTF8(format) { format in
                try StoreKey.withFormat { try transaction.put(format, for: $0, in: table) }
            }
        } else {
            let found = try StoreKey.withFormat { try transaction.get($0, in: table).map { Array($0) } }
            if found != Array(format.utf8) {
                // The first versions had a table of this name.
                let isOurs = try found != nil || withUTF8("format") { try transaction.get($0, in: table) } != nil
                throw StateError(
                    .storageDamaged,
                    isOurs
                        ? "\(path) was written by another version of this library; open it with that one"
                        : "\(path) is an LMDB file of another program; choose another name"
                )
            }
        }
        try transaction.commit()
        return table
    }

    private static func withUTF8<R>(_ text: String, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        var text = text
        return try text.withUTF8 { try body(UnsafeRawBufferPointer($0)) }
    }
}
