// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import LMDB
internal import Synchronization
internal import ZProcCore

/// A place among the readers of the file, for one view after the other.
final class Reader: Sendable {
    let transaction: ReadTransaction

    init(_ environment: Environment) throws(LMDBError) { transaction = try ReadTransaction(environment) }
}

/// The readers that nobody uses now.
final class ReaderPool: Sendable {
    private struct State {
        var environment: Environment?
        var idle: [Reader] = []
    }
    private let state: Mutex<State>
    private static let mostIdle = 32

    init(_ environment: Environment) { state = Mutex(State(environment: environment)) }

    /// The file; nil when it has been closed.
    func environment() -> Environment? { state.withLock { $0.environment } }

    /// A reader with a view of the newest revision; give it back.
    func take() throws -> Reader {
        let (reader, environment) = state.withLock { ($0.idle.popLast(), $0.environment) }
        if let reader {
            try reader.transaction.renew()
            return reader
        }
        guard let environment else { throw StateError.ended }
        return try Reader(environment)
    }

    func giveBack(_ reader: Reader) {
        reader.transaction.reset()
        state.withLock { state in
            if state.environment != nil, state.idle.count < Self.mostIdle { state.idle.append(reader) }
        }
    }

    func read<Result>(_ body: (borrowing ReadTransaction) throws -> Result) throws -> Result {
        let reader = try take()
        defer { giveBack(reader) }
        return try body(reader.transaction)
    }

    func close() {
        // Readers end outside the lock.
        let ended = state.withLock { state in
            defer { state = State() }
            return state
        }
        _ = ended
    }
}
