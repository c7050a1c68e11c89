// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import LMDB
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5)))
struct TransactionTests {
    private struct Refusal: Error {}

    @Test func whatIsNotCommittedHasNotHappened() throws {
        let fixture = try Fixture()
        try fixture.put("before", for: "key")
        do {
            let transaction = try WriteTransaction(fixture.environment)
            try transaction.put("after", for: "key", in: fixture.database)
        }
        #expect(try fixture.get("key") == "before")
        #expect(throws: Refusal.self) {
            try fixture.write { transaction in
                try transaction.put("after", for: "key", in: fixture.database)
                throw Refusal()
            }
        }
        #expect(try fixture.get("key") == "before")
        try fixture.put("after", for: "key")
        #expect(try fixture.get("key") == "after")
    }

    @Test func idsCountCommits() throws {
        let fixture = try Fixture()
        let before = try ReadTransaction(fixture.environment).id
        for step in 1...3 {
            let id = try fixture.write { transaction in
                try transaction.put("\(step)", for: "key", in: fixture.database)
                return transaction.id
            }
            #expect(id == before + step)
            let reader = try ReadTransaction(fixture.environment)
            #expect(reader.id == id)
            #expect(try fixture.environment.info.lastTransactionID == id)
        }
    }

    @Test func readersKeepTheirViews() throws {
        let fixture = try Fixture()
        final class Reader {
            let transaction: ReadTransaction
            init(_ environment: Environment) throws { transaction = try ReadTransaction(environment) }
        }
        var readers: [Reader] = []
        for step in 0..<20 {
            try fixture.put("\(step)", for: "key")
            readers.append(try Reader(fixture.environment))
        }
        for (step, reader) in readers.enumerated() {
            #expect(try reader.transaction.get("key", in: fixture.database) == "\(step)")
        }
        let inUse = fixture.environment.readersInUse
        #expect(inUse == 20)
        withExtendedLifetime(readers) {}
        readers.removeAll()
        #expect(fixture.environment.readersInUse == 0)
    }

    @Test func renewingTakesTheNewestView() throws {
        let fixture = try Fixture()
        try fixture.put("old", for: "key")
        let reader = try ReadTransaction(fixture.environment)
        try fixture.put("new", for: "key")
        var value = try reader.get("key", in: fixture.database)
        #expect(value == "old")
        reader.reset()
        try reader.renew()
        value = try reader.get("key", in: fixture.database)
        #expect(value == "new")
        // The view is replaced if there is one.
        try fixture.put("newest", for: "key")
        try reader.renew()
        value = try reader.get("key", in: fixture.database)
        #expect(value == "newest")
        let id = reader.id
        #expect(try fixture.environment.info.lastTransactionID == id)
    }

    @Test func withoutAViewNothingIsRead() throws {
        let fixture = try Fixture()
        try fixture.put("value", for: "key")
        let reader = try ReadTransaction(fixture.environment)
        reader.reset()
        reader.reset()
        #expect(reader.id == 0)
        expectError(.badTransaction) { _ = try reader.get("key", in: fixture.database) }
        expectError(.badTransaction) { _ = try reader.count(in: fixture.database) }
        expectError(.badTransaction) { try reader.withCursor(in: fixture.database) { _ = try $0.first() } }
        expectError(.badTransaction) { _ = try fixture.environment.openDatabase("data", in: reader) }
        // The slot is kept.
        #expect(fixture.environment.readersInUse == 1)
        try reader.renew()
        let value = try reader.get("key", in: fixture.database)
        #expect(value == "value")
    }

    @Test func cursorsEndWithTheirView() throws {
        let fixture = try Fixture()
        try fixture.put("value", for: "key")
        let reader = try ReadTransaction(fixture.environment)
        try reader.withCursor(in: fixture.database) { cursor in
            let first = key(try cursor.first())
            #expect(first == "key")
            reader.reset()
            expectError(.badTransaction) { _ = try cursor.current() }
            try reader.renew()
            expectError(.badTransaction) { _ = try cursor.next() }
            expectError(.badTransaction) { try cursor.delete() }
        }
        try reader.withCursor(in: fixture.database) { cursor in
            let first = key(try cursor.first())
            #expect(first == "key")
        }
    }

    @Test func pagesAreFreeWhenNobodySeesThem() throws {
        let fixture = try Fixture()
        let large = [UInt8](repeating: 1, count: 40_000)
        try fixture.write { try $0.put(large, for: [1], in: fixture.database) }
        let reader = try ReadTransaction(fixture.environment)
        let early = try reader.freePageCount()
        try fixture.write { _ = try $0.delete([1], in: fixture.database) }
        try fixture.write { try $0.put([1], for: [2], in: fixture.database) }
        // The reader still sees the value's pages.
        let held = try ReadTransaction(fixture.environment).freePageCount()
        #expect(held < early + 10)
        reader.reset()
        let free = try ReadTransaction(fixture.environment).freePageCount()
        #expect(free >= held + 10)
    }

    @Test func aSecondWriterOnAThreadIsRefused() throws {
        let fixture = try Fixture()
        try fixture.write { transaction in
            expectError(.deadlock) { _ = try WriteTransaction(fixture.environment) }
            try transaction.put("value", for: "key", in: fixture.database)
        }
        #expect(try fixture.get("key") == "value")
    }

    @Test func oneThreadReadsWhileItWrites() throws {
        let fixture = try Fixture()
        try fixture.put("old", for: "key")
        try fixture.write { transaction in
            try transaction.put("new", for: "key", in: fixture.database)
            #expect(try fixture.get("key") == "old")
        }
        #expect(try fixture.get("key") == "new")
    }

    @Test func aFailedTransactionDoesNotCommit() throws {
        let fixture = try Fixture { $0.mapSize = 1 << 20 }
        try fixture.put("before", for: "key")
        expectError(.badTransaction) {
            try fixture.write { transaction in
                try transaction.put("after", for: "key", in: fixture.database)
                expectError(.mapFull) {
                    try transaction.put([UInt8](repeating: 0, count: 2 << 20), for: [1], in: fixture.database)
                }
                expectError(.badTransaction) { try transaction.put("", for: "other", in: fixture.database) }
            }
        }
        #expect(try fixture.get("key") == "before")
        try fixture.put("after", for: "key")
        #expect(try fixture.get("key") == "after")
    }

    @Test func refusedKeysDoNotHarmTheTransaction() throws {
        let fixture = try Fixture()
        try fixture.write { transaction in
            try transaction.put("value", for: "key", in: fixture.database)
            expectError(.badKeySize) { try transaction.put("", for: "", in: fixture.database) }
            let long = String(repeating: "x", count: fixture.environment.maximumKeySize + 1)
            expectError(.badKeySize) { try transaction.put("", for: long, in: fixture.database) }
        }
        #expect(try fixture.get("key") == "value")
    }

    @Test func readersMoveBetweenThreads() throws {
        final class Reader: Sendable {
            // Used by one thread at a time: the main one waits while the others run one after the other.
            let transaction: ReadTransaction
            init(_ environment: Environment) throws { transaction = try ReadTransaction(environment) }
        }
        let fixture = try Fixture()
        try fixture.put("old", for: "key")
        let reader = try Reader(fixture.environment)
        try fixture.put("new", for: "key")
        let values = Record<String?>()
        for _ in 0..<3 {
            onThreads(1) { _ in
                let value = try? reader.transaction.get("key", in: fixture.database)
                values.append(value)
                try? reader.transaction.renew()
            }
        }
        #expect(values.all == ["old", "new", "new"])
    }

    @Test func writersOfManyThreadsTakeTurns() throws {
        let fixture = try Fixture { $0.writesThroughMap = true }
        try fixture.put("0 0", for: "pair")
        let failures = Record<String>()
        onThreads(6) { index in
            do {
                for _ in 0..<200 {
                    if index < 3 {
                        try fixture.write { transaction in
                            let pair = try transaction.get("pair", in: fixture.database) ?? ""
                            let number = (pair.split(separator: " ").first.flatMap { Int($0) } ?? 0) + 1
                            try transaction.put("\(number) \(-number)", for: "pair", in: fixture.database)
                        }
                    } else {
                        let pair = try fixture.get("pair")?.split(separator: " ").compactMap { Int($0) } ?? []
                        if pair.reduce(0, +) != 0 || pair.count != 2 {
                            failures.append("torn: \(pair)")
                        }
                    }
                }
            } catch {
                failures.append("\(error)")
            }
        }
        #expect(failures.all == [])
        #expect(try fixture.get("pair") == "600 -600")
    }

    @Test func endingAWriteOnAnotherThreadTraps() async {
        let file = TemporaryFile()
        await #expect(processExitsWith: .failure) { [path = file.path as String] in
            struct Box: ~Copyable, @unchecked Sendable {
                let transaction: WriteTransaction
            }
            final class Owner: Sendable {
                let box: Mutex<Box?>
                init(_ box: consuming Box) { self.box = Mutex(box) }
            }
            let owner = Owner(Box(transaction: try WriteTransaction(openEnvironment(path))))
            onThreads(1) { _ in owner.box.withLock { $0 = nil } }
        }
    }
}
