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
}
