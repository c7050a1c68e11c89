// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import LMDB
import Testing

@Suite(.timeLimit(.minutes(5)))
struct RoundTripTests {
    @Test(arguments: [0, 1, 7, 100, 2000, 4096, 100_000, 1_000_000], [false, true])
    func valuesOfAnyLengthComeBack(length: Int, throughMap: Bool) throws {
        let fixture = try Fixture { $0.writesThroughMap = throughMap }
        let value = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try fixture.write { transaction in
            try transaction.put(value, for: [1], in: fixture.database)
            let own = try transaction.get([1], in: fixture.database)
            #expect(own == value)
        }
        let seen = try ReadTransaction(fixture.environment).get([1], in: fixture.database)
        #expect(seen == value)
    }

    @Test func valuesAreReplaced() throws {
        let fixture = try Fixture()
        try fixture.put("one", for: "key")
        try fixture.put("another", for: "key")
        #expect(try fixture.get("key") == "another")
        try fixture.put("", for: "key")
        #expect(try fixture.get("key") == "")
        let count = try ReadTransaction(fixture.environment).count(in: fixture.database)
        #expect(count == 1)
    }

    @Test func absentKeysHaveNoValue() throws {
        let fixture = try Fixture()
        #expect(try fixture.get("key") == nil)
        try fixture.write { transaction in
            let value = try transaction.get("key", in: fixture.database)
            #expect(value == nil)
            let deleted = try transaction.delete("key", in: fixture.database)
            #expect(!deleted)
        }
    }

    @Test func deletedKeysAreGone() throws {
        let fixture = try Fixture()
        try fixture.put("1", for: "a")
        try fixture.put("2", for: "b")
        try fixture.write { transaction in
            let deleted = try transaction.delete("a", in: fixture.database)
            #expect(deleted)
            let again = try transaction.delete("a", in: fixture.database)
            #expect(!again)
        }
        #expect(try fixture.get("a") == nil)
        #expect(try fixture.get("b") == "2")
    }

    @Test func allIsRemovedAndTheDatabaseStays() throws {
        let fixture = try Fixture()
        try fixture.write { transaction in
            for index in 0..<1000 { try transaction.put("value", for: "key \(index)", in: fixture.database) }
            let count = try transaction.count(in: fixture.database)
            #expect(count == 1000)
        }
        try fixture.write { transaction in
            try transaction.removeAll(in: fixture.database)
            let count = try transaction.count(in: fixture.database)
            #expect(count == 0)
        }
        #expect(try fixture.get("key 1") == nil)
        try fixture.put("new", for: "key 1")
        #expect(try fixture.get("key 1") == "new")
    }

    @Test(arguments: [false, true]) func roomIsFilledByTheCaller(throughMap: Bool) throws {
        let fixture = try Fixture { $0.writesThroughMap = throughMap }
        let value = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
        try fixture.write { transaction in
            try transaction.fill(value, for: [1], in: fixture.database)
            try transaction.fill([], for: [2], in: fixture.database)
            try transaction.fill(value.reversed(), for: [3], in: fixture.database, appending: true)
            try transaction.fill([7], for: [1, 0], in: fixture.database)
        }
        let reader = try ReadTransaction(fixture.environment)
        let seen = try [[1], [1, 0], [2], [3]].map { try reader.get($0, in: fixture.database) }
        #expect(seen == [value, [7], [], value.reversed()])
    }

    @Test func appendedKeysComeLast() throws {
        let fixture = try Fixture()
        try fixture.write { transaction in
            for index in 100..<1000 {
                try transaction.put("\(index)", for: "\(index)", in: fixture.database, appending: true)
            }
            expectError(.keyExists) { try transaction.put("", for: "500", in: fixture.database, appending: true) }
            expectError(.keyExists) { try transaction.put("", for: "999", in: fixture.database, appending: true) }
            expectError(.keyExists) { try transaction.fill([], for: [1], in: fixture.database, appending: true) }
        }
        let reader = try ReadTransaction(fixture.environment)
        let count = try reader.count(in: fixture.database)
        #expect(count == 900)
        #expect(try fixture.get("500") == "500")
    }

    @Test func databasesAreApart() throws {
        let fixture = try Fixture()
        let other = try fixture.write { try fixture.environment.openDatabase("other", in: $0) }
        #expect(other != fixture.database)
        try fixture.write { transaction in
            try transaction.put("1", for: "key", in: fixture.database)
            try transaction.put("2", for: "key", in: other)
        }
        let reader = try ReadTransaction(fixture.environment)
        let values = (try reader.get("key", in: fixture.database), try reader.get("key", in: other))
        #expect(values == ("1", "2"))
    }

    @Test func dataOutlivesTheEnvironment() throws {
        let file = TemporaryFile()
        for round in 0..<3 {
            let environment = try file.open()
            let transaction = try WriteTransaction(environment)
            let database = try environment.openDatabase("data", in: transaction)
            let before = try transaction.get("round", in: database)
            #expect(before == (round == 0 ? nil : "\(round - 1)"))
            try transaction.put("\(round)", for: "round", in: database)
            try transaction.commit()
        }
    }
}
