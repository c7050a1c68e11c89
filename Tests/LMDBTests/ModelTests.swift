// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import LMDB
import Testing

/// Random operations, compared with a dictionary.
@Suite(.timeLimit(.minutes(5)))
struct ModelTests {
    @Test(arguments: Array(1...20) + [UInt64.random(in: 1000 ... .max)], [false, true])
    func environmentsBehaveAsDictionaries(seed: UInt64, throughMap: Bool) throws {
        var run = try Run(seed: seed, throughMap: throughMap)
        for _ in 0..<60 { try run.transaction() }
        try run.checkReaders()
    }
}

/// The generator SplitMix64, from <https://doi.org/10.1145/2660193.2660195>.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

private struct Run {
    typealias Bytes = [UInt8]

    /// A read transaction and what it has to see.
    final class Reader {
        let transaction: ReadTransaction
        var view: Model

        init(_ environment: Environment, _ view: Model) throws {
            transaction = try ReadTransaction(environment)
            self.view = view
        }
    }

    let fixture: Fixture
    let seed: UInt64
    var random: SeededGenerator
    var model = Model()
    var readers: [Reader] = []

    init(seed: UInt64, throughMap: Bool) throws {
        fixture = try Fixture { $0.writesThroughMap = throughMap }
        self.seed = seed
        random = SeededGenerator(state: seed)
    }

    /// Few keys, so that they meet often; of all lengths.
    mutating func key() -> Bytes {
        let length = Int.random(in: 1...5, using: &random) == 1 ? Int.random(in: 1...511, using: &random) : 2
        let byte = UInt8.random(in: 0...40, using: &random)
        return [byte] + Bytes(repeating: UInt8.random(in: 0...10, using: &random), count: length - 1)
    }

    mutating func value() -> Bytes {
        let limit = [0, 10, 100, 1000, 10_000].randomElement(using: &random) ?? 0
        return Bytes(repeating: .random(in: 0...255, using: &random), count: Int.random(in: 0...limit, using: &random))
    }

    /// One write transaction of several operations, which is committed or not.
    mutating func transaction() throws {
        let writer = try WriteTransaction(fixture.environment)
        let before = model
        for _ in 0..<Int.random(in: 0...40, using: &random) { try operation(writer) }
        let count = try writer.count(in: fixture.database)
        #expect(count == model.keys.count, "seed \(seed)")
        if Bool.random(using: &random) {
            try writer.commit()
        } else {
            model = before
            // Ends the transaction.
            _ = consume writer
        }
        if readers.count > 5 { readers.remove(at: .random(in: 0..<readers.count, using: &random)) }
        if readers.isEmpty || Bool.random(using: &random) {
            readers.append(try Reader(fixture.environment, model))
        } else if let reader = readers.randomElement(using: &random) {
            if Bool.random(using: &random) { reader.transaction.reset() }
            try reader.transaction.renew()
            reader.view = model
        }
        if let reader = readers.randomElement(using: &random) { try check(reader) }
    }

    mutating func operation(_ writer: borrowing WriteTransaction) throws {
        let database = fixture.database
        let key = key()
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<30:
            let value = value()
            try writer.put(value, for: key, in: database)
            model[key] = value
        case 30..<45:
            let value = value()
            try writer.fill(value, for: key, in: database)
            model[key] = value
        case 45..<55:
            let value = value()
            let isLast = model.keys.last.map { $0.lexicographicallyPrecedes(key) } ?? true
            if isLast {
                try writer.put(value, for: key, in: database, appending: true)
                model[key] = value
            } else {
                expectError(.keyExists) { try writer.put(value, for: key, in: database, appending: true) }
            }
        case 55..<80:
            let deleted = try writer.delete(key, in: database)
            #expect(deleted == (model[key] != nil), "seed \(seed)")
            model[key] = nil
        case 80..<90:
            let value = try writer.get(key, in: database)
            let isRight = value == model[key]
            #expect(isRight, "seed \(seed)")
        case 90..<99:
            try writer.withCursor(in: database) { try walk($0, mayDelete: true) }
        default:
            try writer.removeAll(in: database)
            model = Model()
        }
    }

    /// Moves a cursor about.
    mutating func walk(_ cursor: borrowing Cursor, mayDelete: Bool) throws {
        var place = Model.Place.nowhere
        for _ in 0..<30 {
            let entry: Cursor.Entry?
            let expected: Bytes?
            let move: String
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                (move, entry, expected) = ("first", try cursor.first(), model.first(&place))
            case 1:
                (move, entry, expected) = ("last", try cursor.last(), model.last(&place))
            case 2, 3:
                (move, entry, expected) = ("next", try cursor.next(), model.next(&place))
            case 4:
                (move, entry, expected) = ("previous", try cursor.previous(), model.previous(&place))
            case 5:
                (move, entry, expected) = ("current", try cursor.current(), model.current(&place))
            case 6:
                let key = key()
                entry = try key.withUnsafeBytes { try cursor.seek(atLeast: $0) }
                (move, expected) = ("seek", model.seek(key, &place))
            default:
                guard mayDelete, case .at(let key) = place else { continue }
                try cursor.delete()
                model[key] = nil
                place = .before(key)
                continue
            }
            let found = entry.map { Bytes($0.key) }
            #expect(found == expected, "\(move), seed \(seed)")
            let isValueRight = entry.map { Bytes($0.value) } == expected.flatMap { model[$0] }
            #expect(isValueRight, "\(move), seed \(seed)")
        }
    }

    mutating func check(_ reader: Reader) throws {
        let current = model
        model = reader.view
        defer { model = current }
        try reader.transaction.withCursor(in: fixture.database) { cursor in
            try walk(cursor, mayDelete: false)
            var keys: [Bytes] = []
            var entry = try cursor.first()
            while let found = entry {
                keys.append(Bytes(found.key))
                entry = try cursor.next()
            }
            #expect(keys == model.keys, "seed \(seed)")
        }
        for key in model.keys {
            let isRight = try reader.transaction.get(key, in: fixture.database) == model[key]
            #expect(isRight, "seed \(seed)")
        }
    }

    mutating func checkReaders() throws {
        for reader in readers { try check(reader) }
    }
}

/// A dictionary with its keys in order.
private struct Model {
    typealias Bytes = [UInt8]

    /// Where a cursor is.
    enum Place {
        case nowhere
        case at(Bytes)
        /// Where a key has been deleted.
        case before(Bytes)
        case end
    }

    private(set) var keys: [Bytes] = []
    private var values: [Bytes: Bytes] = [:]

    subscript(key: Bytes) -> Bytes? {
        get { values[key] }
        set {
            if (values[key] == nil) != (newValue == nil) {
                if newValue == nil {
                    keys.removeAll { $0 == key }
                } else {
                    keys.insert(key, at: keys.firstIndex { key.lexicographicallyPrecedes($0) } ?? keys.endIndex)
                }
            }
            values[key] = newValue
        }
    }

    func first(_ place: inout Place) -> Bytes? { move(to: keys.first, &place, otherwise: .nowhere) }

    func last(_ place: inout Place) -> Bytes? { move(to: keys.last, &place, otherwise: .nowhere) }

    func seek(_ key: Bytes, _ place: inout Place) -> Bytes? {
        move(to: keys.first { !$0.lexicographicallyPrecedes(key) }, &place, otherwise: keys.isEmpty ? .nowhere : .end)
    }

    func next(_ place: inout Place) -> Bytes? {
        switch place {
        case .nowhere: first(&place)
        case .at(let key): move(to: keys.first { key.lexicographicallyPrecedes($0) }, &place, otherwise: place)
        case .before(let key): move(to: keys.first { key.lexicographicallyPrecedes($0) }, &place, otherwise: .end)
        case .end: nil
        }
    }

    func previous(_ place: inout Place) -> Bytes? {
        switch place {
        case .nowhere: last(&place)
        case .at(let key), .before(let key):
            move(
                to: keys.last { $0.lexicographicallyPrecedes(key) },
                &place,
                otherwise: keys.first.map { .at($0) } ?? .end
            )
        case .end: last(&place)
        }
    }

    func current(_ place: inout Place) -> Bytes? {
        switch place {
        case .at(let key): key
        case .before: next(&place)
        case .nowhere, .end: nil
        }
    }

    private func move(to key: Bytes?, _ place: inout Place, otherwise: Place) -> Bytes? {
        place = key.map { .at($0) } ?? otherwise
        return key
    }
}
