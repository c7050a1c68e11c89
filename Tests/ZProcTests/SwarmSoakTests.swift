// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

/// Many maps one after the other.
@Suite(.tags(.process), .timeLimit(.minutes(60))) struct SwarmSoakTests {
    /// `ZPROC_SWARM_MAPS` says how many; the long run is 10,000.
    @Test(arguments: Backend.allCases)
    func mapsLeaveNothingBehind(on backend: Backend) async throws {
        let count = Environment.number("ZPROC_SWARM_MAPS", default: 300)
        try await withContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            func maps(_ count: Int) async throws {
                for number in 0..<count {
                    let results = try await swarm.map(0..<100) { $0 + number }
                    if results.last != 99 + number { Issue.record("map \(number) is wrong") }
                }
            }
            try await maps(200)
            let before = residentByteCount()
            try await maps(count)
            let after = residentByteCount()
            print("\(backend): \(before >> 10) KiB before, \(after >> 10) KiB after \(count) maps")
            #expect(after < before + 32 << 20)
        }
    }
}

private func residentByteCount() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var text = [UInt8](repeating: 0, count: 128)
    let count = fread(&text, 1, text.count, file)
    let numbers = String(decoding: text.prefix(count), as: UTF8.self).split(separator: " ")
    return numbers.count > 1 ? (Int(numbers[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
}
