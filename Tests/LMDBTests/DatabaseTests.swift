// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import LMDB
import Testing

@Suite(.timeLimit(.minutes(5)))
struct DatabaseTests {
    @Test func absentDatabasesAreNotFound() throws {
        let environment = try TemporaryFile().open()
        let reader = try ReadTransaction(environment)
        expectError(.notFound) { _ = try environment.openDatabase("data", in: reader) }
        reader.reset()
        let writer = try WriteTransaction(environment)
        expectError(.notFound) { _ = try environment.openDatabase("data", in: writer, creating: false) }
        expectError(.badKeySize) { _ = try environment.openDatabase("", in: writer) }
    }

    @Test func theUnnamedDatabaseIsThereAtOnce() throws {
        let file = TemporaryFile()
        do {
            let environment = try file.open { $0.maximumDatabases = 0 }
            let writer = try WriteTransaction(environment)
            try writer.put("value", for: "key", in: environment.openDatabase(in: writer))
            try writer.commit()
            let reader = try ReadTransaction(environment)
            #expect(try reader.get("key", in: environment.openDatabase(in: reader)) == "value")
        }
        let environment = try file.open { $0.isReadOnly = true }
        let reader = try ReadTransaction(environment)
        let database = try environment.openDatabase(in: reader)
        #expect(try reader.get("key", in: database) == "value")
        #expect(try reader.count(in: database) == 1)
    }

    @Test func openingAgainGivesTheSameHandle() throws {
        let fixture = try Fixture()
        let again = try fixture.write { try fixture.environment.openDatabase("data", in: $0) }
        #expect(again == fixture.database)
        let reader = try ReadTransaction(fixture.environment)
        #expect(try fixture.environment.openDatabase("data", in: reader) == fixture.database)
    }

    @Test func onlySoManyAreOpened() throws {
        let environment = try TemporaryFile().open { $0.maximumDatabases = 2 }
        let writer = try WriteTransaction(environment)
        _ = try environment.openDatabase("one", in: writer)
        _ = try environment.openDatabase("two", in: writer)
        expectError(.databasesFull) { _ = try environment.openDatabase("three", in: writer) }
    }

    @Test(arguments: [false, true]) func thoseThatReadersOpenedStayOpen(resetting: Bool) throws {
        let file = TemporaryFile()
        do {
            let environment = try file.open()
            let writer = try WriteTransaction(environment)
            for name in ["one", "two"] {
                try writer.put(name, for: "name", in: environment.openDatabase(name, in: writer))
            }
            try writer.commit()
        }
        let environment = try file.open { $0.isReadOnly = true }
        let reader = try ReadTransaction(environment)
        let one = try environment.openDatabase("one", in: reader)
        var name = try reader.get("name", in: one)
        #expect(name == "one")
        if resetting { reader.reset() }
        try reader.renew()
        name = try reader.get("name", in: one)
        #expect(name == "one")
        let two = try environment.openDatabase("two", in: reader)
        #expect(one != two)
        reader.reset()
        let names = try [one, two].map { try ReadTransaction(environment).get("name", in: $0) }
        #expect(names == ["one", "two"])
    }

    @Test func handlesOfTransactionsToComeAreRefused() throws {
        let fixture = try Fixture()
        let before = try ReadTransaction(fixture.environment)
        let other = try fixture.write { transaction in
            let other = try fixture.environment.openDatabase("other", in: transaction)
            try transaction.put("value", for: "key", in: other)
            return other
        }
        expectError(.invalidArgument) { _ = try before.get("key", in: other) }
        try before.renew()
        let value = try before.get("key", in: other)
        #expect(value == "value")
    }

    @Test func oneTransactionOpensAtATime() throws {
        let fixture = try Fixture()
        let environment = fixture.environment
        let reader = try ReadTransaction(environment)
        try fixture.write { transaction in
            _ = try environment.openDatabase("other", in: transaction)
            expectError(.busy) { _ = try environment.openDatabase("data", in: reader) }
        }
        _ = try environment.openDatabase("data", in: reader)
        do {
            let transaction = try WriteTransaction(environment)
            expectError(.busy) { _ = try environment.openDatabase("other", in: transaction) }
        }
        let second = try ReadTransaction(environment)
        expectError(.busy) { _ = try environment.openDatabase("other", in: second) }
        reader.reset()
        _ = try environment.openDatabase("other", in: second)
    }

    @Test func abandonedDatabasesWereNeverMade() throws {
        let fixture = try Fixture()
        do {
            let transaction = try WriteTransaction(fixture.environment)
            _ = try fixture.environment.openDatabase("other", in: transaction)
        }
        let reader = try ReadTransaction(fixture.environment)
        expectError(.notFound) { _ = try fixture.environment.openDatabase("other", in: reader) }
    }

    @Test func writersOfManyThreadsOpenDatabases() throws {
        let fixture = try Fixture()
        let failures = Record<String>()
        onThreads(4) { index in
            for round in 0..<50 {
                do {
                    try fixture.write { transaction in
                        let database = try fixture.environment.openDatabase("thread \(index)", in: transaction)
                        try transaction.put("\(round)", for: "round", in: database)
                    }
                } catch {
                    failures.append("\(error)")
                }
            }
        }
        #expect(failures.all == [])
        let values = try (0..<4).map { index in
            try fixture.write { transaction in
                let database = try fixture.environment.openDatabase("thread \(index)", in: transaction, creating: false)
                return try transaction.get("round", in: database)
            }
        }
        #expect(values == Array(repeating: "49", count: 4))
    }
}
