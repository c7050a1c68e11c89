// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import LMDB
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ProcessTests {
    @Test func whatDeadReadersHeldIsFreed() async throws {
        let fixture = try Fixture()
        try fixture.put("value", for: "key")
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = fixture.file.path as String] in
            let environment = try openEnvironment(path)
            let reader = try ReadTransaction(environment)
            let second = try ReadTransaction(environment)
            kill(getpid(), SIGKILL)
            _ = (reader.id, second.id)
        }
        let own = try ReadTransaction(fixture.environment)
        #expect(fixture.environment.readersInUse == 3)
        #expect(try fixture.environment.checkReaders() == 2)
        #expect(fixture.environment.readersInUse == 1)
        #expect(try fixture.environment.checkReaders() == 0)
        let value = try own.get("key", in: fixture.database)
        #expect(value == "value")
    }

    @Test func pagesOfDeadReadersAreUsedAgain() async throws {
        let fixture = try Fixture { $0.mapSize = 1 << 20 }
        try fixture.put("value", for: "key")
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = fixture.file.path as String] in
            let reader = try ReadTransaction(openEnvironment(path))
            kill(getpid(), SIGKILL)
            _ = reader.id
        }
        func overwrite(_ times: Int) throws {
            for step in 0..<times {
                try fixture.write {
                    try $0.put([UInt8](repeating: UInt8(step % 256), count: 64 << 10), for: [1], in: fixture.database)
                }
            }
        }
        expectError(.mapFull) { try overwrite(100) }
        let before = try fixture.environment.info.lastPageNumber
        #expect(try fixture.environment.checkReaders() == 1)
        try overwrite(100)
        #expect(try fixture.environment.info.lastPageNumber == before)
    }

    @Test(arguments: [false, true]) func deadWritersBlockNobody(throughMap: Bool) async throws {
        let fixture = try Fixture { $0.writesThroughMap = throughMap }
        try fixture.put("before", for: "key")
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = fixture.file.path as String, throughMap = throughMap as Bool] in
            let environment = try openEnvironment(path) { $0.writesThroughMap = throughMap }
            let transaction = try WriteTransaction(environment)
            let database = try environment.openDatabase("data", in: transaction)
            try transaction.put("after", for: "key", in: database)
            for index in 0..<1000 { try transaction.put("value", for: "other \(index)", in: database) }
            kill(getpid(), SIGKILL)
            try transaction.commit()
        }
        #expect(try fixture.get("key") == "before")
        try fixture.write { transaction in
            let count = try transaction.count(in: fixture.database)
            #expect(count == 1)
            try transaction.put("later", for: "key", in: fixture.database)
        }
        #expect(try fixture.get("key") == "later")
    }

    @Test(arguments: [false, true]) func commitsAreWholeWhenTheirProcessIsKilled(throughMap: Bool) async throws {
        let fixture = try Fixture { $0.writesThroughMap = throughMap }
        try fixture.write { for name in ["one", "two"] { try $0.put("0", for: name, in: fixture.database) } }
        var last = 0
        for _ in 0..<5 {
            let before = last
            let commits = Int.random(in: 1...1000)
            await #expect(processExitsWith: .signal(SIGKILL), "after \(commits) commits") {
                [path = fixture.file.path as String, throughMap = throughMap as Bool, commits = commits as Int] in
                let environment = try openEnvironment(path) { $0.writesThroughMap = throughMap }
                onThreads(2) { index in
                    do {
                        let begin = try environment.info.lastTransactionID
                        while true {
                            // One thread writes on while the other ends them both, wherever it may be.
                            if index == 0 { try incrementBoth(environment) }
                            let last = try environment.info.lastTransactionID
                            if index == 1, last >= begin + commits { kill(getpid(), SIGKILL) }
                        }
                    } catch {
                        Issue.record(error)
                    }
                }
            }
            let one = try #require(try fixture.get("one").flatMap { Int($0) })
            #expect(try fixture.get("two") == "\(one)")
            // A commit that was under way may come to light with the next one only.
            try incrementBoth(fixture.environment)
            last = try #require(try fixture.get("one").flatMap { Int($0) })
            #expect(last == one + 1 || last == one + 2)
            #expect(try fixture.get("two") == "\(last)")
            #expect(one >= before + commits - 1)
        }
    }

    @Test func processesCountTogether() async throws {
        let fixture = try Fixture { $0.writesThroughMap = true }
        @Sendable func child() async {
            await #expect(processExitsWith: .success) { [path = fixture.file.path as String] in
                let environment = try openEnvironment(path) { $0.writesThroughMap = true }
                for _ in 0..<500 { try incrementBoth(environment) }
            }
        }
        async let first: Void = child()
        async let second: Void = child()
        _ = await (first, second)
        #expect(try fixture.get("one") == "1000")
    }
}

/// Adds one to two counts, which start at 0.
func incrementBoth(_ environment: Environment) throws {
    let transaction = try WriteTransaction(environment)
    let database = try environment.openDatabase("data", in: transaction)
    for name in ["one", "two"] {
        let count = try transaction.get(name, in: database).flatMap { Int($0) } ?? 0
        try transaction.put("\(count + 1)", for: name, in: database)
    }
    try transaction.commit()
}
