// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing

/// Containers and decoders that types keep, and those that are open side by side.
@Suite(.tags(.codable))
struct KeptContainerTests {
    enum Key: String, CodingKey { case name, number, inner, list }

    struct Written: Codable, Equatable {
        var name: String
        var number: Int
        var inner: [String: Int]
        var list: [String]

        init(_ number: Int) {
            name = "a name of more than fifteen bytes, \(number)"
            self.number = number
            inner = ["number": -number]
            list = ["\(number)"]
        }
    }

    /// Keeps the container, and reads it when it is asked.
    struct Lazily: Decodable {
        let container: KeyedDecodingContainer<Key>

        init(from decoder: any Decoder) throws { container = try decoder.container(keyedBy: Key.self) }

        func check(_ number: Int) throws {
            let written = Written(number)
            #expect(try container.decode(Int.self, forKey: .number) == number)
            #expect(try container.decode(String.self, forKey: .name) == written.name)
            let inner = try container.nestedContainer(keyedBy: Key.self, forKey: .inner)
            #expect(try inner.decode(Int.self, forKey: .number) == -number)
            #expect(Set(container.allKeys) == [.name, .number, .inner, .list])
            #expect(try [String](from: container.superDecoder(forKey: .list)) == written.list)
            #expect(!inner.contains(.list))
        }
    }

    /// Has bytes decoded that are somebody else's afterwards.
    private func decode<T: Decodable>(
        _ type: T.Type,
        _ value: some Encodable,
        with decoder: MessagePackDecoder = .init()
    )
        throws -> T
    {
        var bytes = try MessagePackEncoder().encode(value)
        defer { for index in bytes.indices { bytes[index] = 0xc1 } }
        return try bytes.withUnsafeBytes { try decoder.decode(type, from: $0) }
    }

    @Test func aContainerThatIsKeptReadsItsOwnMessage() throws {
        let kept = try (0..<20).map { try decode(Lazily.self, Written($0)) }
        let nested = try decode([Lazily].self, (100..<300).map { Written($0) })
        // Others of the same keys come and go meanwhile.
        for number in 0..<100 { #expect(try decode(Written.self, Written(number)) == Written(number)) }
        for (number, lazily) in kept.enumerated() { try lazily.check(number) }
        for (number, lazily) in nested.enumerated() { try lazily.check(100 + number) }
    }

    @Test func containersOfAKeptDecoderOutliveIt() throws {
        struct Keeper: Decodable {
            let decoder: any Decoder
            init(from decoder: any Decoder) { self.decoder = decoder }
        }
        var keeper: Keeper? = try decode(Keeper.self, Written(7))
        let first = try #require(try keeper.map { try Lazily(from: $0.decoder) })
        let second = try #require(try keeper.map { try Lazily(from: $0.decoder) })
        let whole = try #require(try keeper.map { try Written(from: $0.decoder) })
        keeper = nil
        for number in 0..<100 { _ = try decode(Lazily.self, Written(number)) }
        try first.check(7)
        try second.check(7)
        #expect(whole == Written(7))
    }

    /// What a decoder has goes when nothing reads with it any more, and another decoder has been at work since.
    @Test func whatIsKeptGoesWithTheLastContainer() throws {
        final class Token: Sendable {}
        let key = try #require(CodingUserInfoKey(rawValue: "token"))
        func decodeWithToken() throws -> (lazily: Lazily, token: WeakToken) {
            let token = Token()
            var decoder = MessagePackDecoder()
            decoder.userInfo[key] = token
            return (try decode(Lazily.self, Written(5), with: decoder), WeakToken(token))
        }
        struct WeakToken {
            weak var token: Token?
            init(_ token: Token) { self.token = token }
        }
        var (lazily, kept): (Lazily?, WeakToken) = try decodeWithToken()
        for number in 0..<1000 { _ = try decode(Written.self, Written(number)) }
        #expect(kept.token != nil)
        try lazily?.check(5)
        lazily = nil
        // Each looks at one of those that are kept, of which other tests have some.
        for number in 0..<100_000 where kept.token != nil { _ = try decode(Written.self, Written(number)) }
        #expect(kept.token == nil)
    }

    /// However many are kept for long, what was kept for a moment goes.
    @Test func whatIsKeptForAMomentDoesNotPileUp() throws {
        final class Token: Sendable {}
        struct WeakToken {
            weak var token: Token?
        }
        let key = try #require(CodingUserInfoKey(rawValue: "token"))
        let long = try (0..<100).map { try decode(Lazily.self, Written($0)) }
        var tokens: [WeakToken] = []
        for number in 0..<10_000 {
            let token = Token()
            tokens.append(WeakToken(token: token))
            var decoder = MessagePackDecoder()
            decoder.userInfo[key] = token
            try decode(Lazily.self, Written(number), with: decoder).check(number)
        }
        #expect(tokens.count { $0.token != nil } < 700)
        for (number, lazily) in long.enumerated() { try lazily.check(number) }
    }

    /// Ways to values of decoders whose own values are done, where others have been since.
    @Test func pathsOfWhatIsKeptEnd() throws {
        struct Keeper: Decodable {
            let decoder: any Decoder
            init(from decoder: any Decoder) { self.decoder = decoder }
        }
        struct Outer: Decodable {
            let paths: [[String]]
            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: Key.self)
                let keeper = try container.decode(Keeper.self, forKey: .inner)
                _ = try? container.decode(Written.self, forKey: .inner)
                let inner = try keeper.decoder.container(keyedBy: Key.self)
                let error = try #require(throws: MessagePackError.self) {
                    try inner.decode(Written.self, forKey: .number)
                }
                let nested = try inner.superDecoder(forKey: .number)
                let further = try #require(throws: MessagePackError.self) { try Written(from: nested) }
                paths = [error.codingPath, further.codingPath, inner.codingPath.map(\.stringValue)]
            }
        }
        let outer = try decode([String: Outer].self, ["first": Written(1)])
        for path in outer["first"]?.paths ?? [] { #expect(path.count < 10) }
        let kept = try decode([Lazily].self, (0..<3).map { Written($0) })
        for lazily in kept {
            let inner = try lazily.container.nestedContainer(keyedBy: Key.self, forKey: .inner)
            #expect(inner.codingPath.count < 10)
            let error = try #require(throws: MessagePackError.self) { try inner.decode(String.self, forKey: .number) }
            #expect(error.codingPath.last == "number")
        }
    }

    @Test func aDecoderKeepsNothingOfWhatIsDone() throws {
        final class Token: Sendable {}
        let key = try #require(CodingUserInfoKey(rawValue: "token"))
        weak var kept: Token?
        do {
            let token = Token()
            kept = token
            var decoder = MessagePackDecoder()
            decoder.userInfo[key] = token
            #expect(try decode(Written.self, Written(1), with: decoder) == Written(1))
            #expect(throws: MessagePackError.self) { try decode([Written].self, [1], with: decoder) }
        }
        #expect(kept == nil)
    }

    @Test func containersOfOneTypeAreOpenSideBySide() throws {
        struct Reader: Decodable {
            init(from decoder: any Decoder) throws {
                var list = try decoder.unkeyedContainer()
                var containers: [KeyedDecodingContainer<Key>] = []
                while !list.isAtEnd { containers.append(try list.nestedContainer(keyedBy: Key.self)) }
                for index in containers.indices.reversed() {
                    #expect(try containers[index].decode(Int.self, forKey: .number) == index)
                }
                // Every other one is let go of before more are opened.
                for index in containers.indices.reversed() where index.isMultiple(of: 2) {
                    containers.remove(at: index)
                }
                list = try decoder.unkeyedContainer()
                while !list.isAtEnd { containers.append(try list.nestedContainer(keyedBy: Key.self)) }
                let half = containers.count / 3
                for (index, container) in containers.enumerated() {
                    let expected = index < half ? 2 * index + 1 : index - half
                    #expect(try container.decode(Int.self, forKey: .number) == expected)
                }
            }
        }
        for count in [0, 2, 10, 500] { _ = try decode(Reader.self, (0..<count).map { Written($0) }) }
    }

    @Test func containersAreExchangedForTheNext() throws {
        struct Reader: Decodable {
            init(from decoder: any Decoder) throws {
                var list = try decoder.unkeyedContainer()
                var last: [KeyedDecodingContainer<Key>] = []
                for number in 0..<1000 {
                    last.append(try list.nestedContainer(keyedBy: Key.self))
                    for (index, container) in last.enumerated() {
                        #expect(try container.decode(Int.self, forKey: .number) == number - last.count + 1 + index)
                    }
                    // One, two, or three of them stay open.
                    if last.count > number / 300 { last.removeFirst() }
                }
            }
        }
        _ = try decode(Reader.self, (0..<1000).map { Written($0) })
    }

    @Test func valuesOfOneTypeLieInEachOther() throws {
        final class Tree: Codable {
            var number: Int
            var children: [Tree]
            var last: String

            init(_ number: Int, depth: Int) {
                self.number = number
                children = depth == 0 ? [] : (0..<(depth > 5 ? 1 : 3)).map { Tree(number &* 3 &+ $0, depth: depth - 1) }
                last = "\(number)"
            }

            func isLike(_ other: Tree) -> Bool {
                number == other.number && last == other.last && children.count == other.children.count
                    && zip(children, other.children).allSatisfy { $0.isLike($1) }
            }
        }
        for depth in [0, 3, 6, 40] {
            let tree = Tree(1, depth: depth)
            #expect(try decode(Tree.self, tree).isLike(tree))
        }
    }

    @Test func aValueThatThrowsDisturbsNoOther() throws {
        struct Picky: Decodable {
            let lazily: Lazily
            init(from decoder: any Decoder) throws {
                lazily = try Lazily(from: decoder)
                if try lazily.container.decode(Int.self, forKey: .number) == 3 { throw Refusal() }
            }
        }
        struct Refusal: Error {}
        for _ in 0..<100 {
            #expect(throws: Refusal.self) { try decode([Picky].self, (0..<5).map { Written($0) }) }
            try decode([Picky].self, [Written(1), Written(2)])[1].lazily.check(2)
        }
    }

    /// In a process of its own, since what is there for a type of keys is there for ever.
    @Test func thereMayBeMoreTypesOfKeysThanLenders() async {
        await #expect(processExitsWith: .success) { try ManyTypesOfKeys().check() }
    }

    @Test func manyTasksKeepContainers() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask { @concurrent in
                    var kept: [(number: Int, lazily: Lazily)] = []
                    for round in 0..<300 {
                        let number = task * 1000 + round
                        kept.append((number, try decode([Lazily].self, [Written(number)])[0]))
                        #expect(try decode(Written.self, Written(number)) == Written(number))
                        if kept.count > 7 {
                            let one = kept.remove(at: number % 7)
                            try one.lazily.check(one.number)
                        }
                    }
                    for one in kept { try one.lazily.check(one.number) }
                }
            }
            try await group.waitForAll()
        }
    }
}

private struct PairOfKeys<A: CodingKey, B: CodingKey>: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

private struct KeepsKeys<Key: CodingKey>: Decodable {
    let container: KeyedDecodingContainer<Key>
    init(from decoder: any Decoder) throws { container = try decoder.container(keyedBy: Key.self) }

    var number: Int {
        get throws { try container.decode(Int.self, forKey: try #require(Key(stringValue: "number"))) }
    }
}

/// 1,600 types of keys.
private struct ManyTypesOfKeys {
    private var types: [any CodingKey.Type] = []

    init() { add(KeptContainerTests.Key.self) }

    private mutating func add<K: CodingKey>(_ type: K.Type) {
        types.append(type)
        if types.count < 40 { add(PairOfKeys<K, KeptContainerTests.Key>.self) }
    }

    func check() throws {
        for first in types { for (number, second) in types.enumerated() { try check(first, second, number) } }
        for (number, second) in types.reversed().enumerated() { try check(types[0], second, number) }
    }

    private func check<A: CodingKey, B: CodingKey>(_ a: A.Type, _ b: B.Type, _ number: Int) throws {
        let bytes = try MessagePackEncoder().encode(["number": number])
        let kept = try MessagePackDecoder().decode(KeepsKeys<PairOfKeys<A, B>>.self, from: bytes)
        let other = try MessagePackDecoder().decode(KeepsKeys<PairOfKeys<A, B>>.self, from: [0x80])
        #expect(try kept.number == number)
        #expect(other.container.allKeys.isEmpty)
    }
}
