// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import LMDB
import Testing

@Suite(.timeLimit(.minutes(5)))
struct MapSizeTests {
    private static let block = [UInt8](repeating: 7, count: 64 << 10)

    @Test(arguments: [false, true]) func aFullMapIsMadeLarger(throughMap: Bool) throws {
        let fixture = try Fixture {
            $0.mapSize = 1 << 20
            $0.writesThroughMap = throughMap
        }
        var written = 0
        expectError(.mapFull) {
            while written < 1000 {
                try fixture.write { try $0.put(Self.block, for: [UInt8(written)], in: fixture.database) }
                written += 1
            }
        }
        #expect(written > 5 && written < 16)
        try fixture.environment.setMapSize(8 << 20)
        #expect(try fixture.environment.info.mapSize == 8 << 20)
        try fixture.write { try $0.put(Self.block, for: [UInt8(written)], in: fixture.database) }
        let reader = try ReadTransaction(fixture.environment)
        for index in 0...written {
            let value = try reader.get([UInt8(index)], in: fixture.database)
            #expect(value == Self.block)
        }
    }

    @Test func theMapStaysWhileItIsUsed() throws {
        let fixture = try Fixture()
        let environment = fixture.environment
        let reader = try ReadTransaction(environment)
        expectError(.busy) { try environment.setMapSize(32 << 20) }
        reader.reset()
        try fixture.write { _ in expectError(.busy) { try environment.setMapSize(32 << 20) } }
        try environment.setMapSize(32 << 20)
        try reader.renew()
        #expect(try environment.info.mapSize == 32 << 20)
    }

    @Test func theMapIsNotMadeTooSmall() throws {
        let fixture = try Fixture()
        try fixture.write { try $0.put(Self.block, for: [1], in: fixture.database) }
        try fixture.environment.setMapSize(4096)
        #expect(try fixture.environment.info.mapSize >= 64 << 10)
        let value = try ReadTransaction(fixture.environment).get([1], in: fixture.database)
        #expect(value == Self.block)
    }

    @Test(arguments: [false, true]) func impossibleSizesAreRefused(throughMap: Bool) throws {
        let fixture = try Fixture { $0.writesThroughMap = throughMap }
        try fixture.put("value", for: "key")
        expectError(.invalidArgument) { try fixture.environment.setMapSize(-1) }
        expectError(.noMemory) { try fixture.environment.setMapSize(1 << 60) }
        #expect(try fixture.get("key") == "value")
        try fixture.put("later", for: "key")
        #expect(try fixture.get("key") == "later")
        #expect(try fixture.environment.info.mapSize == 16 << 20)
        var status = stat()
        #expect(stat(fixture.file.path, &status) == 0)
        #expect(status.st_size <= 16 << 20)
    }

    @Test func aSmallerMapDoesNotCutTheFile() async throws {
        let fixture = try Fixture { $0.writesThroughMap = true }
        await #expect(processExitsWith: .success) { [path = fixture.file.path as String] in
            let environment = try openEnvironment(path) {
                $0.writesThroughMap = true
                $0.mapSize = 1 << 20
            }
            #expect(try environment.info.mapSize == 16 << 20)
            try environment.setMapSize(1 << 20)
            #expect(try environment.info.mapSize == 16 << 20)
        }
        try fixture.environment.setMapSize(1 << 20)
        #expect(try fixture.environment.info.mapSize == 16 << 20)
        let value = [UInt8](repeating: 7, count: 8 << 20)
        try fixture.write { try $0.put(value, for: [1], in: fixture.database) }
        let isThere = try ReadTransaction(fixture.environment).get([1], in: fixture.database) == value
        #expect(isThere)
    }

    @Test(arguments: [false, true]) func theSizeOfAnotherProcessIsTaken(throughMap: Bool) async throws {
        let fixture = try Fixture {
            $0.mapSize = 1 << 20
            $0.writesThroughMap = throughMap
        }
        let reader = try ReadTransaction(fixture.environment)
        reader.reset()
        await #expect(processExitsWith: .success) {
            [path = fixture.file.path as String, throughMap = throughMap as Bool] in
            let environment = try openEnvironment(path) {
                $0.mapSize = 8 << 20
                $0.writesThroughMap = throughMap
            }
            let transaction = try WriteTransaction(environment)
            let database = try environment.openDatabase("data", in: transaction)
            try transaction.put([UInt8](repeating: 7, count: 2 << 20), for: [1], in: database)
            try transaction.commit()
        }
        expectError(.mapResized) { _ = try WriteTransaction(fixture.environment) }
        expectError(.mapResized) { _ = try ReadTransaction(fixture.environment) }
        expectError(.mapResized) { try reader.renew() }
        expectError(.badTransaction) { _ = try reader.get([1], in: fixture.database) }
        try fixture.environment.setMapSize(0)
        #expect(try fixture.environment.info.mapSize == 8 << 20)
        try reader.renew()
        let length = try reader.get([1], in: fixture.database)?.count
        #expect(length == 2 << 20)
        try fixture.put("value", for: "key")
        #expect(try fixture.get("key") == "value")
        #expect(fixture.environment.readersInUse == 1)
    }
}
