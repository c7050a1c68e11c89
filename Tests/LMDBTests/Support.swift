// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import LMDB
import Synchronization
import Testing

/// A path of its own for an environment, whose files go with it.
final class TemporaryFile: Sendable {
    let path: String

    init() {
        path = "/dev/shm/lmdb-test-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    }

    deinit {
        unlink(path)
        unlink(path + "-lock")
    }

    /// Opens it; small and unsynced unless told otherwise.
    func open(_ change: (inout Environment.Options) -> Void = { _ in }) throws -> Environment {
        try openEnvironment(path, change)
    }
}

/// For children, which must not remove the files.
func openEnvironment(
    _ path: String,
    _ change: (inout Environment.Options) -> Void = { _ in }
) throws -> Environment {
    var options = Environment.Options()
    options.mapSize = 16 << 20
    options.syncsCommits = false
    change(&options)
    return try Environment(path: path, options: options)
}

/// An environment with a database, in a file that goes with it.
struct Fixture {
    let file = TemporaryFile()
    let environment: Environment
    let database: Database

    init(_ change: (inout Environment.Options) -> Void = { _ in }) throws {
        environment = try file.open(change)
        let transaction = try WriteTransaction(environment)
        database = try environment.openDatabase("data", in: transaction)
        try transaction.commit()
    }

    /// Commits what the body does.
    func write<R>(_ body: (borrowing WriteTransaction) throws -> R) throws -> R {
        let transaction = try WriteTransaction(environment)
        let result = try body(transaction)
        try transaction.commit()
        return result
    }

    /// Commits one value.
    func put(_ value: String, for key: String) throws {
        try write { try $0.put(value, for: key, in: database) }
    }

    /// The newest value.
    func get(_ key: String) throws -> String? {
        try ReadTransaction(environment).get(key, in: database)
    }
}

extension WriteTransaction {
    borrowing func put(
        _ value: String,
        for key: String,
        in database: Database,
        appending: Bool = false
    ) throws(LMDBError) {
        try put(Array(value.utf8), for: Array(key.utf8), in: database, appending: appending)
    }

    borrowing func put(
        _ value: [UInt8],
        for key: [UInt8],
        in database: Database,
        appending: Bool = false
    ) throws(LMDBError) {
        try withBytes(key) { key throws(LMDBError) in
            try withBytes(value) { value throws(LMDBError) in
                try put(value, for: key, in: database, appending: appending)
            }
        }
    }

    /// Puts a value by filling the room for it.
    borrowing func fill(
        _ value: [UInt8],
        for key: [UInt8],
        in database: Database,
        appending: Bool = false
    ) throws(LMDBError) {
        try withBytes(key) { key throws(LMDBError) in
            try reserve(value.count, for: key, in: database, appending: appending).copyBytes(from: value)
        }
    }

    borrowing func get(_ key: String, in database: Database) throws(LMDBError) -> String? {
        try get(Array(key.utf8), in: database).map { String(decoding: $0, as: UTF8.self) }
    }

    borrowing func get(_ key: [UInt8], in database: Database) throws(LMDBError) -> [UInt8]? {
        try withBytes(key) { key throws(LMDBError) in try get(key, in: database).map { Array($0) } }
    }

    borrowing func delete(_ key: String, in database: Database) throws(LMDBError) -> Bool {
        try delete(Array(key.utf8), in: database)
    }

    borrowing func delete(_ key: [UInt8], in database: Database) throws(LMDBError) -> Bool {
        try withBytes(key) { key throws(LMDBError) in try delete(key, in: database) }
    }
}

extension ReadTransaction {
    borrowing func get(_ key: String, in database: Database) throws(LMDBError) -> String? {
        try get(Array(key.utf8), in: database).map { String(decoding: $0, as: UTF8.self) }
    }

    borrowing func get(_ key: [UInt8], in database: Database) throws(LMDBError) -> [UInt8]? {
        try withBytes(key) { key throws(LMDBError) in try get(key, in: database).map { Array($0) } }
    }
}

extension Cursor {
    borrowing func seek(atLeast key: String) throws(LMDBError) -> Entry? {
        try withBytes(Array(key.utf8)) { key throws(LMDBError) in try seek(atLeast: key) }
    }
}

/// An entry's key as text.
func key(_ entry: Cursor.Entry?) -> String? {
    entry.map { String(decoding: $0.key, as: UTF8.self) }
}

/// Calls a body with the bytes of an array; those of an empty one have no address.
func withBytes<R>(
    _ bytes: [UInt8],
    _ body: (UnsafeRawBufferPointer) throws(LMDBError) -> R
) throws(LMDBError) -> R {
    if bytes.isEmpty { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    var result: Result<R, LMDBError>?
    bytes.withUnsafeBytes { bytes in
        do throws(LMDBError) { result = .success(try body(bytes)) } catch { result = .failure(error) }
    }
    guard let result else { preconditionFailure("the body was not called") }
    return try result.get()
}

/// Expects a body to throw an error with a code.
func expectError(
    _ code: LMDBError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    let error = #expect(throws: LMDBError.self, sourceLocation: sourceLocation, performing: body)
    #expect(error?.code == code, "\(String(describing: error))", sourceLocation: sourceLocation)
}

/// What several threads have noted, in the order they did.
final class Record<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    var all: [Element] { elements.withLock { $0 } }

    func append(_ element: Element) {
        elements.withLock { $0.append(element) }
    }
}

/// Runs a body on threads of its own, and returns when all have ended.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    final class Job: Sendable {
        let index: Int
        let body: @Sendable (Int) -> Void
        init(_ index: Int, _ body: @escaping @Sendable (Int) -> Void) {
            self.index = index
            self.body = body
        }
    }
    var threads: [pthread_t] = []
    for index in 0..<count {
        var thread = pthread_t()
        let job = Unmanaged.passRetained(Job(index, body)).toOpaque()
        let result = pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument else { return nil }
                let job = Unmanaged<Job>.fromOpaque(argument).takeRetainedValue()
                job.body(job.index)
                return nil
            },
            job
        )
        precondition(result == 0, "no thread is left")
        threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
}
