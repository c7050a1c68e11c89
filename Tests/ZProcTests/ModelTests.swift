// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProc

struct Bakery: Codable, Sendable, Equatable {
    var cookies = 0
    var flavours = ["plain"]
    var closes: Int?
    var owner: String? = "Ada"
}

/// A later version of the same program.
struct LaterBakery: Codable, Sendable, Equatable {
    var cookies = 0
    var owner: String? = "Bob"
    var rating = 4.5
}

@Suite(.tags(.state), .timeLimit(.minutes(5))) struct ModelTests {
    @Test(arguments: Backend.allCases, StateWay.all)
    func modelsConform(on backend: Backend, _ way: StateWay) async throws {
        try await withContext(backend, state: way.options) { context in
            let bakery = try await context.state(Bakery(), namespace: "bakery")
            try await context.spawn { try await Self.check(bakery) }.value
            #expect(try await bakery.value().cookies == 12)
            let entries = try await context.state(namespace: "bakery").items()
            #expect(entries["cookies"] == 12)
            #expect(entries["owner"] == .some(.nil))
        }
    }

    @Sendable private static func check(_ bakery: SharedModel<Bakery>) async throws {
        let expect = StateConformance.self
        try expect.expect(try await bakery.value(), Bakery())
        let amount = 5
        let total = try await bakery.update { model in
            model.cookies += amount
            model.flavours.append("nut")
            return model.cookies
        }
        try expect.expect(total, 5)
        try await bakery.update { $0.closes = 18 }
        try expect.expect(try await bakery.value(), Bakery(cookies: 5, flavours: ["plain", "nut"], closes: 18))
        // A property that becomes nil stays nil, whatever its default.
        try await bakery.update { model in
            model.closes = nil
            model.owner = nil
        }
        try expect.expect(try await bakery.value().owner, nil)
        try expect.expect(try await bakery.value().closes, nil)
        // Only what has changed is written.
        let change = bakery.state.changes()
        try await bakery.update { $0.cookies += 1 }
        var changes = change.makeAsyncIterator()
        try expect.expect(try await changes.next()?.keys, ["cookies"])
        do {
            try await bakery.update { model in
                model.cookies = -1
                throw TestFailure(reason: "no")
            }
        } catch let error as TestFailure {
            try expect.expect(error.reason, "no")
        }
        try expect.expect(try await bakery.value().cookies, 6)

        var cookies = bakery.values(of: \.cookies).makeAsyncIterator()
        try expect.expect(try await cookies.next(), 6)
        try await bakery.update { $0.flavours = [] }
        try await bakery.update { $0.cookies = 7 }
        try expect.expect(try await cookies.next(), 7)
        async let rich = bakery.first { $0.cookies > 10 }
        let many = bakery.when(count: 2) { $0.cookies > 7 }
        for number in 8...12 { try await bakery.update { $0.cookies = number } }
        try expect.expect(try await rich.cookies > 10, true)
        var seen: [Int] = []
        for try await model in many { seen.append(model.cookies) }
        try expect.expect(seen, [8, 9])
    }

    @Test func modelsOfSeveralVersionsShareANamespace() async throws {
        try await withContext(.threads) { context in
            let old = try await context.state(Bakery(), namespace: "bakery")
            try await old.update { $0.cookies = 3 }
            let new = try await context.state(LaterBakery(), namespace: "bakery")
            #expect(try await new.value() == LaterBakery(cookies: 3, owner: "Ada", rating: 4.5))
            try await new.update { $0.rating = 5 }
            #expect(try await old.value() == Bakery(cookies: 3))
            // A key that is gone is the default again.
            try await old.state.remove("flavours")
            #expect(try await old.value().flavours == ["plain"])
        }
    }

    @Test func whatMakesNoModelIsAnError() async throws {
        try await withContext(.threads) { context in
            let state = context.state(namespace: "bakery")
            try await state.set("cookies", to: "many")
            let error = await #expect(throws: StateError.self) {
                _ = try await context.state(Bakery(), namespace: "bakery")
            }
            #expect(error?.code == .typeMismatch)
            #expect(error?.message.contains("cookies") == true)
            let noModel = await #expect(throws: StateError.self) { _ = try await context.state(5, namespace: "five") }
            #expect(noModel?.code == .notEncodable)
            #expect(try await context.namespaces() == ["bakery"])
        }
    }
}
