// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import LMDB
import Testing

@Suite(.timeLimit(.minutes(1)))
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
        #expect(try fixture.environment.info.readersInUse == 3)
        #expect(try fixture.environment.checkReaders() == 2)
        #expect(try fixture.environment.info.readersInUse == 1)
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
        // LMDB looks for dead readers itself before it gives up, so pages kept by one are no reason for this to fail.
        try overwrite(5)
        let before = try fixture.environment.info.lastPageNumber
        #expect(try fixture.environment.checkReaders() == 1)
        try overwrite(100)
        #expect(try fixture.environment.info.lastPageNumber <= before + 20)
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

    @Test func processesCountTogether() async throws {
        let fixture = try Fixture { $0.writesThroughMap = true }
        try fixture.put("0", for: "count")
        @Sendable func child() async {
            await #expect(processExitsWith: .success) { [path = fixture.file.path as String] in
                let environment = try openEnvironment(path) { $0.writesThroughMap = true }
                for _ in 0..<500 { try increment(environment) }
            }
        }
        async let first: Void = child()
        async let second: Void = child()
        _ = await (first, second)
        #expect(try fixture.get("count") == "1000")
    }
}

/// Adds one to the count.
func increment(_ environment: Environment) throws {
    let transaction = try WriteTransaction(environment)
    let database = try environment.openDatabase("data", in: transaction)
    let count = try transaction.get("count", in: database).flatMap { Int($0) } ?? 0
    try transaction.put("\(count + 1)", for: "count", in: database)
    try transaction.commit()
}
