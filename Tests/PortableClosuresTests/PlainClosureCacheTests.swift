// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import PortableClosures
import Testing

private struct Sum: ClosureHolder {
    let body: @Sendable (Int) -> Int
}

private struct Product: ClosureHolder {
    let body: @Sendable (Int) -> Int
}

private let square: @Sendable (Int) -> Int = { $0 * $0 }

@inline(never) private func opaque<T>(_ value: T) -> T { value }

/// A function as one of another type, which is a function that has captured it.
private func wrapped<T>(_ body: @escaping @Sendable (T) -> T) -> @Sendable (T) -> T { body }

@Suite struct PlainClosureCacheTests {
    private let cache = PlainClosureCache(maximumCount: 3)

    /// The bytes of a closure, and whether they were known.
    private func bytes(_ closure: PortableClosure) throws -> (bytes: [UInt8], wasKnown: Bool) {
        var wasKnown = true
        let bytes = try cache.bytes(of: closure) {
            wasKnown = false
            return try MessagePackEncoder().encode($0)
        }
        return (bytes, wasKnown)
    }

    private func closure(_ bytes: [UInt8]) throws -> (body: @Sendable (Int) -> Int, wasKnown: Bool) {
        var wasKnown = true
        let closure = try cache.closure(in: bytes) {
            wasKnown = false
            return try MessagePackDecoder().decode(PortableClosure.self, from: $0)
        }
        return (try #require(closure.holder as? Sum).body, wasKnown)
    }

    @Test func whatHasCapturedNothingIsCodedOnce() throws {
        func make() -> PortableClosure { PortableClosure(Sum { $0 + 1 }) }
        let first = try bytes(make()), second = try bytes(make())
        #expect(!first.wasKnown && second.wasKnown)
        #expect(first.bytes == second.bytes)
        #expect(try first.bytes == MessagePackEncoder().encode(make()))
        for wasKnown in [false, true, true] {
            let (body, known) = try closure(first.bytes)
            #expect(known == wasKnown)
            #expect(body(20) == 21)
        }
    }

    @Test func whatHasCapturedSomethingIsCodedEachTime() throws {
        for number in [1, 2, 1] {
            let number = opaque(number)
            let (bytes, wasKnown) = try bytes(PortableClosure(Sum { $0 + number }))
            #expect(!wasKnown)
            let (body, isKnown) = try closure(bytes)
            #expect(!isKnown)
            #expect(body(10) == 10 + number)
        }
    }

    @Test func whatHasCapturedAFunctionThatHasCapturedNothingIsCodedOnce() throws {
        func make(_ inner: @escaping @Sendable (Int) -> Int) -> PortableClosure {
            PortableClosure(Sum { inner($0) + 1 })
        }
        #expect(try !bytes(make(square)).wasKnown)
        let again = try bytes(make(square))
        #expect(again.wasKnown)
        #expect(try closure(again.bytes).body(3) == 10)
        // Another function inside is another closure; one that has captured a number is not plain.
        let other = try bytes(make { $0 * 2 }), number = opaque(5)
        #expect(!other.wasKnown)
        #expect(try closure(other.bytes).body(3) == 7)
        for _ in 0..<2 {
            let third = try bytes(make { $0 * number })
            #expect(!third.wasKnown)
            #expect(try closure(third.bytes).body(3) == 16)
        }
    }

    @Test func thePlaceAndTheTypeAreOnesOwn() throws {
        let first = try bytes(PortableClosure(Sum(body: square), fileID: "M/a.swift", line: 1))
        let second = try bytes(PortableClosure(Sum(body: square), fileID: "M/a.swift", line: 2))
        let third = try bytes(PortableClosure(Product(body: square), fileID: "M/a.swift", line: 2))
        #expect(!first.wasKnown && !second.wasKnown && !third.wasKnown)
        #expect(first.bytes != second.bytes && second.bytes != third.bytes)
        #expect(try bytes(PortableClosure(Product(body: square), fileID: "M/a.swift", line: 2)).bytes == third.bytes)
        #expect(try bytes(PortableClosure(Sum(body: square), fileID: "M/a.swift", line: 1)).bytes == first.bytes)
    }

    @Test func itForgetsWhenThereAreMany() throws {
        let closures = [
            PortableClosure(Sum { $0 + 1 }), PortableClosure(Sum { $0 + 2 }), PortableClosure(Sum { $0 + 3 }),
            PortableClosure(Sum { $0 + 4 }),
        ]
        for _ in 0..<3 {
            for (index, one) in closures.enumerated() {
                #expect(try closure(try bytes(one).bytes).body(0) == index + 1)
            }
        }
        #expect(try !bytes(PortableClosure(Sum(body: wrapped { $0 + 5 }))).wasKnown)
    }

    @Test func whatIsLargeIsCodedEachTime() throws {
        let name = String(repeating: "M", count: 2_000) + "/a.swift"
        for _ in 0..<2 {
            let (bytes, wasKnown) = try bytes(PortableClosure(Sum(body: square), fileID: name))
            #expect(!wasKnown)
            let (body, isKnown) = try closure(bytes)
            #expect(!isKnown)
            #expect(body(3) == 9)
        }
    }

    @Test func manyTasksShareIt() async throws {
        let closures = [
            PortableClosure(Sum { $0 + 1 }), PortableClosure(Sum { $0 + 2 }), PortableClosure(Sum { $0 + 3 }),
            PortableClosure(Sum { $0 + 4 }), PortableClosure(Sum { $0 + 5 }),
        ]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for round in 0..<500 {
                        let place = (task + round) % closures.count
                        let body = try closure(try bytes(closures[place]).bytes).body
                        #expect(body(0) == place + 1)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func whatCannotBeCodedIsNotKept() throws {
        let stays = opaque(Stays())
        for _ in 0..<2 {
            #expect(throws: PortableClosureError.self) { try bytes(PortableClosure(Sum { $0 + stays.value })) }
        }
        for _ in 0..<2 { #expect(throws: (any Error).self) { try closure([0x90]) } }
    }
}
