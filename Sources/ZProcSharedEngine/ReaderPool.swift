// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import LMDB
internal import Synchronization
internal import ZProcCore

/// A place among the readers of the file, for one view after the other.
final class Reader: Sendable {
    let transaction: ReadTransaction
    /// Not closed before this is.
    private let file: StoreFile

    init(_ file: StoreFile) throws(LMDBError) {
        transaction = try ReadTransaction(file.environment)
        self.file = file
    }
}

/// The readers that nobody uses now.
final class ReaderPool: Sendable {
    private struct State {
        /// Nil when it has been closed.
        var file: StoreFile?
        var idle: [Reader] = []
    }
    private let state: Mutex<State>
    private static let mostIdle = 32

    init(_ file: StoreFile) { state = Mutex(State(file: file)) }

    /// The file; nil when it has been closed.
    func file() -> StoreFile? { state.withLock { $0.file } }

    /// The environment; nil when it has been closed.
    func environment() -> Environment? { file()?.environment }

    /// A reader with a view of the newest revision; give it back.
    func take() throws -> Reader {
        let (reader, file) = state.withLock { ($0.idle.popLast(), $0.file) }
        if let reader {
            try reader.transaction.renew()
            return reader
        }
        guard let file else { throw StateError.ended }
        return try Reader(file)
    }

    func giveBack(_ reader: Reader) {
        reader.transaction.reset()
        state.withLock { state in
            if state.file != nil, state.idle.count < Self.mostIdle { state.idle.append(reader) }
        }
    }

    func read<Result>(_ body: (borrowing ReadTransaction) throws -> Result) throws -> Result {
        let reader = try take()
        defer { giveBack(reader) }
        return try body(reader.transaction)
    }

    /// Gives up the file, which is closed when those who still use it are done; nil when that was done before.
    func close() -> Environment? {
        // Readers end outside the lock.
        let ended = state.withLock { state in
            defer { state = State() }
            return state
        }
        return ended.file?.environment
    }
}
