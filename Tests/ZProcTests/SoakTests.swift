// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing
import ZProc

/// A state that is changed for ever takes no more memory than one that has filled its history.
///
/// `ZPROC_SOAK_UPDATES=1000000` for long runs.
@Suite(.serialized, .tags(.state), .timeLimit(.minutes(15)))
struct SoakTests {
    /// How the state is kept.
    enum Kind: String, CaseIterable, Sendable { case memory, shared, file }

    struct Sample: Codable {
        var updates: Int
        var memory: Int
        var file: Int
    }

    @Test(arguments: Kind.allCases)
    func memoryAndFileStayFlat(_ kind: Kind) async throws {
        let updates = Environment.number("ZPROC_SOAK_UPDATES", default: 20_000)
        try await withTemporaryDirectory { directory in
            // In a process of its own, whose memory nothing else takes.
            let samples = try await withContext(.processes) { context in
                try await context.spawn(kind.rawValue) { kind in
                    try await soak(Kind(rawValue: kind) ?? .memory, updates, in: directory)
                }.value
            }
            for sample in samples {
                print(
                    "soak, \(kind): \(sample.updates) updates, \(sample.memory >> 10) KiB, file \(sample.file >> 10) KiB"
                )
            }
            // From the half on nothing grows by more than a tenth, or a step in which the allocators take memory.
            let middle = samples[samples.count / 2 - 1], end = samples[samples.count - 1]
            #expect(end.updates == updates)
            #expect(end.memory <= middle.memory + max(middle.memory / 10, 8 << 20))
            // Each update writes some pages, 32 KiB or more; a busy machine lets some more of them pile up.
            #expect(end.file <= middle.file + 16 << 20)
            #expect(end.file < updates * 32_768 / 10)
            if kind != .memory { #expect(end.file > 0) }
        }
    }
}

private func soak(_ kind: SoakTests.Kind, _ updates: Int, in directory: String) async throws -> [SoakTests.Sample] {
    let steps = 10, share = updates / steps / 2
    var options = StateOptions(engine: kind == .memory ? .memory : .shared)
    options.history = HistoryLimits(count: 1_000)
    if kind == .file { options.persistence = .file("\(directory)/state", sync: .none) }
    return try await withContext(kind == .memory ? .threads : .processes, state: options) { context in
        let state = context.state
        let path = kind == .file ? "\(directory)/state" : sharedMemoryFile()
        // Somebody watches, and somebody never reads.
        async let last = lastValue(state, updates)
        let unread = state.changes()
        var samples: [SoakTests.Sample] = []
        for step in 1...steps {
            var running: [SpawnedProcess<Void>] = []
            for number in 0..<2 {
                running.append(try await context.spawn(number) { try await change(state, $0, share) })
            }
            for process in running { try await process.value }
            samples.append(
                SoakTests.Sample(
                    updates: step * share * 2,
                    memory: residentBytes(),
                    file: path.map(allocatedBytes) ?? 0
                )
            )
        }
        guard try await last == updates, try await state.snapshot().revision == Revision(UInt64(updates)) else {
            throw TestFailure(reason: "updates were lost")
        }
        withExtendedLifetime(unread) {}
        return samples
    }
}

/// Makes updates of values of many sizes, and counts them.
private func change(_ state: SharedState, _ number: Int, _ count: Int) async throws {
    for turn in 0..<count {
        try await state.update { draft in
            draft["key \(turn % 100)"] = .binary([UInt8](repeating: UInt8(number), count: turn % 700))
            draft["count", default: 0] += 1
        }
        await Task.yield()
    }
}

/// Watches until the count is `end`.
private func lastValue(_ state: SharedState, _ end: Int) async throws -> Int {
    var last = 0
    for try await change in state.changes(mode: .live) {
        last = try change.after.get("count", default: 0)
        if last >= end { break }
    }
    return last
}

/// The file behind this process's shared state.
private func sharedMemoryFile() -> String? {
    guard let maps = try? read("/proc/self/maps", limit: 1 << 20) else { return nil }
    for line in maps.split(separator: "\n") where line.contains("/zproc-") && line.hasSuffix("/state") {
        return line.firstIndex(of: "/").map { String(line[$0...]) }
    }
    return nil
}

/// How much memory this process takes, without what it shares.
private func residentBytes() -> Int {
    guard let text = try? read("/proc/self/statm", limit: 4096) else { return 0 }
    let pages = text.split(separator: " ").compactMap { Int($0) }
    return pages.count > 2 ? (pages[1] - pages[2]) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
}
