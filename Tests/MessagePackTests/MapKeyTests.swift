// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing

/// Keys of maps, in whatever order and number they come.
@Suite(.tags(.codable))
struct MapKeyTests {
    private enum Name: Hashable, Sendable {
        case text(String)
        case number(Int)

        var bytes: [UInt8] {
            switch self {
            case .text(let text): Value.string(text).encoded()
            case .number(let number): Value.int(Int64(number)).encoded()
            }
        }
    }

    private struct AnyKey: CodingKey, Hashable {
        let stringValue: String
        let intValue: Int?
        init(stringValue: String) { (self.stringValue, intValue) = (stringValue, nil) }
        init(intValue: Int) { (stringValue, self.intValue) = ("\(intValue)", intValue) }
    }

    /// What one container says of keys that may be there or not.
    private struct Answers: Decodable, Equatable {
        var found: [AnyKey: Int] = [:]
        var all: [AnyKey]

        init(found: [AnyKey: Int], all: [AnyKey]) { (self.found, self.all) = (found, all) }

        init(from decoder: any Decoder) throws {
            let key = try #require(CodingUserInfoKey(rawValue: "wanted"))
            let wanted = try #require(decoder.userInfo[key] as? [AnyKey])
            let container = try decoder.container(keyedBy: AnyKey.self)
            all = container.allKeys
            for key in wanted {
                guard let number = try container.decodeIfPresent(Int.self, forKey: key) else {
                    #expect(!container.contains(key))
                    #expect(throws: MessagePackError.self) { try container.decode(Int.self, forKey: key) }
                    continue
                }
                found[key] = number
                #expect(container.contains(key))
            }
        }
    }

    /// Names that are much like each other: by their first bytes, by all but the last, by how long they are.
    private static let names: [Name] =
        [
            "", "a", "b", "ab", "abc", "number", "numbes", "numbers", "number\u{0}", "abcdefg", "abcdefh", "é", "5",
            "-1", "300",
        ]
        .map(Name.text)
        + (0..<3).flatMap { last in
            [8, 9, 16, 31, 32, 40, 255, 256, 259, 511].map { .text(String(repeating: "k", count: $0 - 1) + "\(last)") }
        }
        + [7, 8, 31, 32, 64, 255, 300].map { .text(String(repeating: "\0", count: $0)) }
        + [0, 5, -1, 127, 128, 300, .max, .min, 0x61_01, 0x6162_02].map(Name.number)

    /// Maps one after the other in one message: like the last one, nearly like it, or others.
    @Test func eachMapIsReadByItsOwnKeys() throws {
        let seed = UInt64.random(in: .min ... .max)
        var generator = SeededGenerator(seed: seed)
        let wanted: [AnyKey] = Self.names.map {
            switch $0 {
            case .text(let text): AnyKey(stringValue: text)
            case .number(let number): AnyKey(intValue: number)
            }
        }
        let infoKey = try #require(CodingUserInfoKey(rawValue: "wanted"))
        let short = Self.names.filter { if case .text(let text) = $0 { text.utf8.count < 32 } else { false } }
        for round in 0..<60 {
            // Maps whose keys are all short and different are taken for the last one's as long as they can be.
            let pool = round % 3 == 0 ? Self.names : short
            var maps: [[(Name, Int)]] = []
            var names: [Name] = []
            for _ in 0..<40 {
                switch Int.random(in: 0..<8, using: &generator) {
                case 0:
                    let count = Int.random(in: 0...(round.isMultiple(of: 2) ? 6 : 60), using: &generator)
                    names = (0..<count).map { _ in pool.randomElement(using: &generator) ?? .text("") }
                case 1:
                    var seen: Set<Name> = []
                    names = names.filter { seen.insert($0).inserted }
                case 2: names.shuffle(using: &generator)
                case 3 where !names.isEmpty:
                    let index = Int.random(in: names.indices, using: &generator)
                    names[index] = pool.randomElement(using: &generator) ?? .text("")
                case 4 where !names.isEmpty: names.removeLast()
                default: break
                }
                maps.append(names.map { ($0, Int.random(in: -40_000...40_000, using: &generator)) })
            }
            var bytes: [UInt8] = [0xdc, 0, UInt8(maps.count)]
            for map in maps {
                bytes += [0xde, 0, UInt8(map.count)]
                for (name, number) in map {
                    bytes += name.bytes
                    bytes += Value.int(Int64(number)).encoded()
                }
            }
            var decoder = MessagePackDecoder()
            decoder.userInfo[infoKey] = wanted.shuffled(using: &generator)
            let answers = try decoder.decode([Answers].self, from: bytes)
            #expect(answers.count == maps.count)
            for (answer, map) in zip(answers, maps) {
                #expect(answer == expected(map, wanted), "seed \(seed), round \(round)")
            }
        }
    }

    /// Of equal names the last counts; a number is looked for by its digits first, if the map has any text.
    private func expected(_ map: [(Name, Int)], _ wanted: [AnyKey]) -> Answers {
        let last = Dictionary(map, uniquingKeysWith: { $1 })
        var found: [AnyKey: Int] = [:]
        for key in wanted {
            if let number = last[.text(key.stringValue)] ?? key.intValue.flatMap({ last[.number($0)] }) {
                found[key] = number
            }
        }
        let counting = map.indices.filter { index in !map[(index + 1)...].contains { $0.0 == map[index].0 } }
        let all = counting.map { index in
            switch map[index].0 {
            case .text(let text): AnyKey(stringValue: text)
            case .number(let number): AnyKey(intValue: number)
            }
        }
        return Answers(found: found, all: all)
    }

    /// A message that ends with a short key's value, so that there are no eight bytes after the key.
    @Test func keysAtTheEndOfAMessage() throws {
        struct Small: Codable, Equatable { var a: Int }
        for value in [1, 200, 70_000] {
            let bytes = try MessagePackEncoder().encode([Small(a: value), Small(a: value)])
            #expect(try MessagePackDecoder().decode([Small].self, from: bytes) == [Small(a: value), Small(a: value)])
        }
    }

    @Test func aKeyThatIsNoKeyIsSaidWhereItIs() throws {
        struct Small: Codable { var a: Int }
        // {a: 1}, then {a: 1, nil: 2}.
        let error = try decodingError([Small].self, [0x92, 0x81, 0xa1, 0x61, 1, 0x82, 0xa1, 0x61, 1, 0xc0, 2])
        #expect(error.code == .unsupportedKey)
        #expect(error.byteOffset == 9)
        #expect(error.codingPath == ["[1]"])
    }
}
