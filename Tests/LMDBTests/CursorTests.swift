// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import LMDB
import Testing

@Suite(.timeLimit(.minutes(5)))
struct CursorTests {
    /// Long enough for several pages.
    private static let keys = (100..<1100).map { "key \($0 * 7)" }.sorted()

    private func makeFixture(_ keys: [String] = keys) throws -> Fixture {
        let fixture = try Fixture()
        try fixture.write { transaction in
            for key in keys.shuffled() { try transaction.put("value of \(key)", for: key, in: fixture.database) }
        }
        return fixture
    }

    @Test func keysComeInOrder() throws {
        let fixture = try makeFixture()
        try ReadTransaction(fixture.environment).withCursor(in: fixture.database) { cursor in
            var entries: [String] = []
            while let entry = try cursor.next() {
                #expect(String(decoding: entry.value, as: UTF8.self) == "value of \(key(entry) ?? "")")
                entries.append(String(decoding: entry.key, as: UTF8.self))
            }
            #expect(entries == Self.keys)
        }
    }

    @Test func keysComeBackwards() throws {
        let fixture = try makeFixture()
        try fixture.write { transaction in
            try transaction.withCursor(in: fixture.database) { cursor in
                var entries: [String] = []
                while let entry = try cursor.previous() { entries.append(String(decoding: entry.key, as: UTF8.self)) }
                #expect(entries == Self.keys.reversed())
            }
        }
    }

    @Test func cursorsStayAtTheEnds() throws {
        let fixture = try makeFixture(["a", "b", "c"])
        try ReadTransaction(fixture.environment).withCursor(in: fixture.database) { cursor in
            let moves = try [
                key(cursor.current()), key(cursor.last()), key(cursor.next()), key(cursor.next()),
                key(cursor.current()),
                key(cursor.previous()), key(cursor.first()), key(cursor.previous()), key(cursor.current()),
                key(cursor.next()),
            ]
            #expect(moves == [nil, "c", nil, nil, "c", "b", "a", nil, "a", "b"])
        }
    }

    @Test func seekingFindsTheKeyOrTheNext() throws {
        let fixture = try makeFixture(["b", "d", "dd", "f"])
        try ReadTransaction(fixture.environment).withCursor(in: fixture.database) { cursor in
            for (wanted, found) in [("a", "b"), ("b", "b"), ("c", "d"), ("d", "d"), ("da", "dd"), ("e", "f")] {
                let entry = key(try cursor.seek(atLeast: wanted))
                #expect(entry == found)
            }
            let after = key(try cursor.seek(atLeast: "g"))
            #expect(after == nil)
            let last = key(try cursor.previous())
            #expect(last == "f")
            expectError(.badKeySize) { _ = try cursor.seek(atLeast: "") }
        }
    }

    @Test func emptyDatabasesHaveNoEntries() throws {
        let fixture = try makeFixture([])
        try ReadTransaction(fixture.environment).withCursor(in: fixture.database) { cursor in
            let moves = try [
                key(cursor.first()), key(cursor.last()), key(cursor.next()), key(cursor.previous()),
                key(cursor.current()), key(cursor.seek(atLeast: "a")),
            ]
            #expect(moves == [nil, nil, nil, nil, nil, nil])
        }
    }

    @Test func cursorsDelete() throws {
        let fixture = try makeFixture()
        try fixture.write { transaction in
            try transaction.withCursor(in: fixture.database) { cursor in
                expectError(.notFound) { try cursor.delete() }
                var isOdd = false
                while try cursor.next() != nil {
                    isOdd.toggle()
                    if !isOdd { continue }
                    try cursor.delete()
                }
            }
        }
        try ReadTransaction(fixture.environment).withCursor(in: fixture.database) { cursor in
            var entries: [String] = []
            while let entry = try cursor.next() { entries.append(String(decoding: entry.key, as: UTF8.self)) }
            #expect(entries == Self.keys.enumerated().filter { $0.offset % 2 == 1 }.map(\.element))
        }
    }

    @Test func deletingLeavesTheCursorBetweenEntries() throws {
        let fixture = try makeFixture(["a", "b", "c", "d"])
        try fixture.write { transaction in
            try transaction.withCursor(in: fixture.database) { cursor in
                _ = try cursor.seek(atLeast: "b")
                try cursor.delete()
                let moves = try [key(cursor.current()), key(cursor.current()), key(cursor.next()), key(cursor.next())]
                #expect(moves == ["c", "c", "d", nil])
                try cursor.delete()
                let ends = try [key(cursor.current()), key(cursor.next()), key(cursor.previous())]
                #expect(ends == [nil, nil, "c"])
                _ = try cursor.first()
                try cursor.delete()
                let starts = try [key(cursor.previous()), key(cursor.current())]
                #expect(starts == [nil, "c"])
            }
        }
    }

    @Test func aWholeDatabaseIsDeletedEntryByEntry() throws {
        let fixture = try makeFixture()
        try fixture.write { transaction in
            try transaction.withCursor(in: fixture.database) { cursor in
                while try cursor.next() != nil { try cursor.delete() }
                let first = key(try cursor.first())
                #expect(first == nil)
            }
            let count = try transaction.count(in: fixture.database)
            #expect(count == 0)
        }
    }

    @Test func readersCannotDelete() throws {
        let fixture = try makeFixture()
        try ReadTransaction(fixture.environment).withCursor(in: fixture.database) { cursor in
            _ = try cursor.first()
            expectError(.permissionDenied) { try cursor.delete() }
        }
    }

    @Test func cursorsSeeChanges() throws {
        let fixture = try makeFixture(["b", "d"])
        try fixture.write { transaction in
            try transaction.withCursor(in: fixture.database) { cursor in
                let first = key(try cursor.first())
                #expect(first == "b")
                try transaction.put("", for: "a", in: fixture.database)
                try transaction.put("", for: "c", in: fixture.database)
                let moves = try [key(cursor.current()), key(cursor.next()), key(cursor.next())]
                #expect(moves == ["b", "c", "d"])
                try transaction.removeAll(in: fixture.database)
                let none = try [key(cursor.current()), key(cursor.next())]
                #expect(none == [nil, nil])
            }
        }
    }

    @Test func resultsAndErrorsOfTheBodyComeOut() throws {
        struct Refusal: Error {}
        let fixture = try makeFixture(["a"])
        let reader = try ReadTransaction(fixture.environment)
        let name = try reader.withCursor(in: fixture.database) { key(try $0.first()) }
        #expect(name == "a")
        #expect(throws: Refusal.self) { try reader.withCursor(in: fixture.database) { _ in throw Refusal() } }
    }

    @Test func seekingExactlyFindsThatKeyOnly() throws {
        let fixture = try makeFixture(["b", "d"])
        try ReadTransaction(fixture.environment).withCursor(in: fixture.database) { cursor in
            for (wanted, found) in [("b", "value of b"), ("c", nil), ("d", "value of d"), ("e", nil), ("a", nil)] {
                let value = try withBytes(Array(wanted.utf8)) { key throws(LMDBError) in
                    try cursor.seek(exactly: key).map { String(decoding: $0, as: UTF8.self) }
                }
                #expect(value == found)
            }
        }
    }

    @Test(arguments: [1, 167, 1_900, 5_000, 100_000], [false, true])
    func valuesAreChangedWhereTheyAre(length: Int, throughMap: Bool) throws {
        let fixture = try Fixture { $0.writesThroughMap = throughMap }
        let value = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try fixture.write { transaction in
            for (key, value) in [([UInt8(1)], [UInt8(9)]), ([2], value), ([3], [9])] {
                try transaction.put(value, for: key, in: fixture.database)
            }
        }
        let before = try ReadTransaction(fixture.environment)
        var expected = value
        try fixture.write { transaction in
            try transaction.withCursor(in: fixture.database) { cursor in
                // In the page that is to be changed.
                try transaction.put([4], for: [9], in: fixture.database)
                let found = try withBytes([2]) { key throws(LMDBError) in try cursor.seek(exactly: key) != nil }
                #expect(found)
                let bytes = try cursor.change()
                #expect(Array(bytes) == expected)
                bytes[0] = 77
                expected[0] = 77
                // Its page has been copied, and more goes there.
                try transaction.put([5], for: [1, 1], in: fixture.database)
                let again = try cursor.change()
                #expect(Array(again) == expected)
                again[length - 1] = 78
                expected[length - 1] = 78
            }
        }
        let after = try ReadTransaction(fixture.environment)
        let old = try before.get([2], in: fixture.database), new = try after.get([2], in: fixture.database)
        #expect(old == value)
        #expect(new == expected)
        let others = try [[1], [1, 1], [3], [9]].map { try after.get($0, in: fixture.database) }
        #expect(others == [[9], [5], [9], [4]])
    }

    @Test func onlyWritersChangeWhatIsThere() throws {
        let fixture = try makeFixture()
        try ReadTransaction(fixture.environment).withCursor(in: fixture.database) { cursor in
            _ = try cursor.first()
            expectError(.permissionDenied) { _ = try cursor.change() }
        }
        try fixture.write { transaction in
            try transaction.withCursor(in: fixture.database) { cursor in
                expectError(.notFound) { _ = try cursor.change() }
            }
        }
    }

    @Test func readersCannotPut() throws {
        let fixture = try makeFixture()
        try ReadTransaction(fixture.environment).withCursor(in: fixture.database) { cursor in
            expectError(.permissionDenied) { try cursor.put("value", for: "key") }
            expectError(.permissionDenied) { try cursor.fill("value", for: "key") }
        }
    }

    /// Two cursors that put, look up and delete, near to where they are and far away, against a dictionary.
    @Test func cursorsPutAsADictionaryDoes() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(state: seed)
        let fixture = try makeFixture([])
        var model: [String: String] = [:]
        for _ in 0..<20 {
            try fixture.write { transaction in
                try transaction.withCursor(in: fixture.database) { one in
                    try transaction.withCursor(in: fixture.database) { other in
                        var place = 500
                        for step in 0..<100 {
                            place = Bool.random(using: &random) ? place + 1 : Int.random(in: 0..<1_000, using: &random)
                            let key = "key \(place)",
                                value = String(repeating: "\(step) ", count: .random(in: 0..<30, using: &random))
                            switch Int.random(in: 0..<4, using: &random) {
                            case 0:
                                try one.put(value, for: key)
                                model[key] = value
                            case 1:
                                try other.fill(value, for: key)
                                model[key] = value
                            case 2:
                                if try one.value(of: key) != nil { try one.delete() }
                                model[key] = nil
                            default:
                                let found = try other.value(of: key)
                                #expect(found == model[key], "seed \(seed)")
                            }
                        }
                    }
                }
            }
        }
        var all: [String: String] = [:]
        try ReadTransaction(fixture.environment).withCursor(in: fixture.database) { cursor in
            while let entry = try cursor.next() {
                all[String(decoding: entry.key, as: UTF8.self)] = String(decoding: entry.value, as: UTF8.self)
            }
        }
        #expect(all == model, "seed \(seed)")
    }
}

extension Cursor {
    fileprivate borrowing func value(of key: String) throws(LMDBError) -> String? {
        try withBytes(Array(key.utf8)) { key throws(LMDBError) in
            try seek(exactly: key).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    fileprivate borrowing func put(_ value: String, for key: String) throws(LMDBError) {
        try withBytes(Array(key.utf8)) { key throws(LMDBError) in
            try withBytes(Array(value.utf8)) { value throws(LMDBError) in try put(value, for: key) }
        }
    }

    /// Puts by making room first.
    fileprivate borrowing func fill(_ value: String, for key: String) throws(LMDBError) {
        try withBytes(Array(key.utf8)) { key throws(LMDBError) in
            try reserve(value.utf8.count, for: key).copyBytes(from: value.utf8)
        }
    }
}
