// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import LMDB
import Testing

@Suite(.timeLimit(.minutes(5)))
struct EnvironmentTests {
    @Test func infoTellsSizesAndCounts() throws {
        let fixture = try Fixture {
            $0.mapSize = 4 << 20
            $0.maximumReaders = 17
        }
        let before = try fixture.environment.info
        #expect(before.mapSize == 4 << 20)
        #expect(before.pageSize == Int(sysconf(CInt(_SC_PAGESIZE))))
        #expect(before.maximumReaders >= 17)
        #expect(before.lastTransactionID == 1)
        #expect(fixture.environment.readersInUse == 0)
        try fixture.write { try $0.put([UInt8](repeating: 1, count: 1 << 20), for: [1], in: fixture.database) }
        let after = try fixture.environment.info
        #expect(after.lastTransactionID == 2)
        #expect(after.lastPageNumber >= before.lastPageNumber + (1 << 20) / before.pageSize)
        #expect(fixture.environment.maximumKeySize == 511)
        #expect(fixture.environment.path == fixture.file.path)
    }

    @Test func readOnlyEnvironmentsRefuseToWrite() throws {
        let file = TemporaryFile()
        do {
            let environment = try file.open()
            let transaction = try WriteTransaction(environment)
            let database = try environment.openDatabase("data", in: transaction)
            try transaction.put("value", for: "key", in: database)
            try transaction.commit()
        }
        let environment = try file.open { $0.isReadOnly = true }
        expectError(.permissionDenied) { _ = try WriteTransaction(environment) }
        expectError(.permissionDenied) { try environment.sync() }
        let reader = try ReadTransaction(environment)
        let database = try environment.openDatabase("data", in: reader)
        let value = try reader.get("key", in: database)
        #expect(value == "value")
    }

    @Test func readOnlyEnvironmentsAreNotCreated() {
        let file = TemporaryFile()
        expectError(.noSuchFile) { _ = try file.open { $0.isReadOnly = true } }
    }

    @Test(arguments: [1, 4096, 100_000]) func otherFilesAreRefused(length: Int) throws {
        let file = TemporaryFile()
        let stream = try #require(fopen(file.path, "w"))
        for index in 0..<length { fputc(CInt(index % 251), stream) }
        fclose(stream)
        expectError(.invalid) { _ = try file.open() }
        // It is forgotten, so this is refused for the same reason.
        expectError(.invalid) { _ = try file.open() }
    }

    @Test(arguments: [
        ("/no/such/folder/file", LMDBError.Code.noSuchFile), ("/sys/lmdb-test", .permissionDenied),
        ("/dev/null/file", .init(rawValue: ENOTDIR)),
    ])
    func badPathsAreRefused(path: String, code: LMDBError.Code) throws {
        expectError(code) { _ = try openEnvironment(path) }
    }

    @Test func foldersAreRefused() throws {
        let file = TemporaryFile()
        #expect(mkdir(file.path, 0o700) == 0)
        expectError(.init(rawValue: EISDIR)) { _ = try file.open() }
        #expect(rmdir(file.path) == 0)
    }

    @Test func permissionsAreThoseAskedFor() throws {
        let file = TemporaryFile()
        let environment = try file.open { $0.permissions = 0o640 }
        for path in [environment.path, environment.path + "-lock"] {
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o640)
        }
    }

    @Test func aProcessOpensAFileOnce() throws {
        let file = TemporaryFile()
        do {
            let environment = try file.open()
            expectError(.busy) { _ = try file.open() }
            // By another path too.
            let link = TemporaryFile()
            #expect(symlink(file.path, link.path) == 0)
            expectError(.busy) { _ = try link.open() }
            try environment.sync()
        }
        _ = try file.open()
    }

    @Test func transactionsKeepTheirEnvironment() throws {
        let file = TemporaryFile()
        weak var gone: Environment?
        do {
            let reader: ReadTransaction
            do {
                let environment = try file.open()
                gone = environment
                reader = try ReadTransaction(environment)
            }
            #expect(gone != nil)
            #expect(reader.id == 0)
        }
        #expect(gone == nil)
        _ = try file.open()
    }

    @Test func failedTransactionsLeaveTheirEnvironment() throws {
        let file = TemporaryFile()
        weak var gone: Environment?
        do {
            let environment = try file.open { $0.maximumReaders = 1 }
            gone = environment
            let readers = try fillReaders(of: environment)
            try withExtendedLifetime(readers) {
                #expect(readers.count == (try environment.info.maximumReaders))
                expectError(.readersFull) { _ = try ReadTransaction(environment) }
                try readers[0].transaction.renew()
                expectError(.readersFull) { _ = try ReadTransaction(environment) }
            }
        }
        #expect(gone == nil)
    }

    @Test func slotsAreFreedWithTheirTransactions() throws {
        let environment = try TemporaryFile().open { $0.maximumReaders = 1 }
        for _ in 0..<3 {
            let readers = try fillReaders(of: environment)
            let inUse = environment.readersInUse
            #expect(inUse == readers.count)
            withExtendedLifetime(readers) {}
        }
        #expect(environment.readersInUse == 0)
    }

    private final class Reader {
        let transaction: ReadTransaction
        init(_ environment: Environment) throws { transaction = try ReadTransaction(environment) }
    }

    /// LMDB may have a few more slots than asked for.
    private func fillReaders(of environment: Environment) throws -> [Reader] {
        var readers: [Reader] = []
        while true {
            do {
                readers.append(try Reader(environment))
            } catch let error as LMDBError where error.code == .readersFull {
                return readers
            }
        }
    }

    @Test func errorsAreOneLine() throws {
        let error = try #require(throws: LMDBError.self) { try openEnvironment("/no/such/folder/file") }
        #expect(error.code == .noSuchFile && error.code.rawValue == ENOENT)
        #expect(error.operation == "open an environment")
        #expect(
            error.description
                == "could not open an environment: No such file or directory (code 2, at /no/such/folder/file)"
        )
        let fixture = try Fixture()
        let other = try #require(throws: LMDBError.self) { try fixture.put("", for: "") }
        #expect(other.operation == "put")
        #expect(other.description.contains("MDB_BAD_VALSIZE") && other.description.contains(fixture.file.path))
        #expect(!other.description.contains("\n"))
    }
}
