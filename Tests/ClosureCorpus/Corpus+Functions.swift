// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import PortableClosures

struct CorpusError: Error, Codable, Equatable, Sendable { var code: Int }

@Sendable func square(_ number: Int) async throws -> Int { number * number }
@Sendable func twice<T: Sendable & Codable>(_ value: T) async throws -> [T] { [value, value] }
@Sendable func plain(_ number: Int) -> Int { number + 1 }

/// A closure made by a function from a captured one.
func repeated(_ function: @escaping @Sendable (Int) -> Int) -> @concurrent @Sendable (Int) async throws -> Int {
    { function(function($0)) }
}

enum Tools {
    @Sendable static func triple(_ number: Int) async throws -> Int { number * 3 }
    @Sendable static func describe<T: Codable & Sendable>(_ value: T) async throws -> String { "<\(value)>" }
}

struct Multiplier: Codable, Sendable {
    var factor: Int
    @Sendable func apply(_ number: Int) async throws -> Int { number * factor }
}

private struct Secret: Codable, Sendable, Equatable { var value: Int }
fileprivate enum SecretEnum: Codable, Sendable, Equatable { case one, two(String) }
private final class SecretClass: Codable, Sendable {
    let value: Int
    init(value: Int) { self.value = value }
}
private struct SecretGeneric<T: Codable & Sendable & Equatable, U: Codable & Sendable & Equatable>:
    Codable, Sendable, Equatable
{
    struct Inner: Codable, Sendable, Equatable { var both: [T] }
    var first: T
    var second: U
}

/// Functions of every form.
public let functionCorpus: [CorpusCase] = [
    CorpusCase("a captured closure, alone") { traveller in
        let number = opaque(3)
        let add: @Sendable (Int) -> Int = { $0 + number }
        try expect(await traveller.call { add(4) }, 7)
    },
    CorpusCase("captured closures that capture closures, among others") { traveller in
        let number = opaque(3), text = opaque("n="), factor = opaque(2.5)
        let add: @Sendable (Int) -> Int = { $0 + number }
        let label: @Sendable (Int) -> String = { text + "\(add($0))" }
        let scaled: @Sendable (Int) -> Double = { Double(add($0)) * factor }
        try expect(await traveller.call(1) { "\(label($0)) \(scaled($0)) \(add($0))" }, "n=4 10.0 4")
    },
    CorpusCase("a captured async throwing closure") { traveller in
        let number = opaque(3)
        let later: @Sendable (Int) async throws -> Int = {
            await Task.yield()
            return $0 + number
        }
        try expect(await traveller.call { try await later(4) }, 7)
    },
    CorpusCase("a captured function without captures") { traveller in
        let function: @Sendable (Int) -> Int = opaque(plain)
        try expect(await traveller.call { function(4) }, 5)
    },
    CorpusCase("function references") { traveller in
        try expect(await traveller.call(5, body: square), 25)
    },
    CorpusCase("static methods") { traveller in
        try expect(await traveller.call(5, body: Tools.triple), 15)
        try expect(await traveller.call(5, body: Tools.describe), "<5>")
    },
    CorpusCase("methods bound to a value") { traveller in
        let multiplier = opaque(Multiplier(factor: 6))
        try expect(await traveller.call(7, body: multiplier.apply), 42)
        // As an argument too, so that the type's metadata is there in optimised builds.
        try expect(await traveller.call(multiplier) { $0.factor }, 6)
    },
    CorpusCase("generic functions") { traveller in
        try expect(await traveller.call(4, body: twice), [4, 4])
        try expect(await traveller.call("a", body: twice), ["a", "a"])
    },
    CorpusCase("a closure made by another function") { traveller in
        let number = opaque(10)
        try expect(await traveller.call(4, body: repeated { $0 * number }), 400)
    },
    CorpusCase("async bodies") { traveller in
        let number = opaque(1)
        let sum = try await traveller.call(3) { count -> Int in
            await withTaskGroup(of: Int.self) { group in
                for index in 0..<count { group.addTask { index + number } }
                return await group.reduce(0, +)
            }
        }
        try expect(sum, 6)
    },
    CorpusCase("throwing bodies") { traveller in
        let code = opaque(7)
        do {
            let none: Int = try await traveller.call { throw CorpusError(code: code) }
            throw Mismatch(description: "returned \(none)")
        } catch let error as CorpusError {
            try expect(error, CorpusError(code: 7))
        }
    },
    CorpusCase("several arguments") { traveller in
        let factor = opaque(2)
        let text = try await traveller.call([1, 2], "x", Point(x: 1, name: "p"), 4.5) { numbers, text, point, double in
            numbers.map { "\($0 * factor)" }.joined(separator: text) + point.name + "\(double)"
        }
        try expect(text, "2x4p4.5")
    },
    CorpusCase("functions as arguments and results") { traveller in
        let number = opaque(2)
        let scale = PortableFunction<Int, Int> { $0 * number }
        let composed = try await traveller.call(scale) { scale in PortableFunction<Int, Int> { try await scale($0) + 1 }
        }
        try expect(try await composed(5), 11)
    },
    CorpusCase("private types captured alone and among others") { traveller in
        let secret = opaque(Secret(value: 1)), second = opaque(SecretEnum.two("b")),
            object = opaque(SecretClass(value: 3))
        try expect(await traveller.call { secret.value }, 1)
        try expect(await traveller.call { second == .two("b") }, true)
        try expect(await traveller.call { object.value }, 3)
        try expect(await traveller.call { secret.value + object.value + (second == .one ? 10 : 0) }, 4)
    },
    CorpusCase("private types as arguments and results") { traveller in
        let result = try await traveller.call(Secret(value: 1), SecretEnum.one) { secret, second in
            [Secret(value: secret.value + 1), Secret(value: second == .one ? 1 : 0)]
        }
        try expect(result, [Secret(value: 2), Secret(value: 1)])
        let map = try await traveller.call(["a": Secret(value: 1)]) { $0.mapValues { [Optional($0)] } }
        try expect(map, ["a": [Secret(value: 1)]])
    },
    CorpusCase("private generic types") { traveller in
        let value = opaque(SecretGeneric(first: Secret(value: 1), second: ["a": 1.5]))
        try expect(await traveller.call { value }, value)
        let inner = opaque(SecretGeneric<Int, Secret>.Inner(both: [1, 2]))
        try expect(await traveller.call(inner) { $0 }, inner)
        let boxes = opaque([GenericBox(value: Secret(value: 5))])
        try expect(await traveller.call { boxes[0].value.value }, 5)
        let box = opaque(GenericBox(value: Secret(value: 6)))
        try expect(await traveller.call { box.value.value }, 6)
    },
    CorpusCase("local types") { traveller in
        struct Local: Codable, Sendable, Equatable { var value: Int }
        enum LocalEnum: String, Codable, Sendable { case a, b }
        let local = opaque(Local(value: 4)), list = opaque([Local(value: 5)]), letter = opaque(LocalEnum.b)
        try expect(await traveller.call { local }, local)
        try expect(await traveller.call { list[0].value }, 5)
        try expect(await traveller.call(letter, list) { letter, list in "\(letter)\(list.count)\(local.value)" }, "b14")
        try expect(await traveller.call(Set(["a"]), [local]) { set, locals in [set: locals] }, [["a"]: [local]])
    },
]
