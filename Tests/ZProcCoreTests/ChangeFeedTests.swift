// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import ZProcCore

@Suite(.timeLimit(.minutes(1))) struct ChangeFeedTests {
    /// A feed that always finds more leaves the thread that tells of commits now and then: others wait for it.
    @Test func aFeedThatCannotKeepUpSharesItsThread() async throws {
        let count = 200
        let source = try await BusySource(changes: count)
        let request = WatchRequest(
            filter: WatchFilter(keys: .all, hiddenOrigin: nil, includesIdentical: false),
            mode: .buffered,
            start: .now,
            onCompaction: .fail,
            count: count,
            timeout: nil
        )
        var last: Revision?
        for try await change in Changes(ChangeFeed(source), request) {
            if let last { #expect(change.revision.number == last.number + 1) }
            last = change.revision
        }
        let pages = source.executor.pages
        #expect(pages.reduce(0, +) >= count)
        #expect(pages.count > 5)
        #expect(pages.max() ?? 0 <= 20, "one job read \(pages) pages")
    }
}

/// An engine whose changes come one at a time, and the next of which is there already when it is asked for.
private struct BusySource: ChangeSource {
    private let base: EngineSource
    private let start: Snapshot
    let executor = CountingExecutor()

    init(changes count: Int) async throws {
        let engine = MemoryEngine()
        base = EngineSource(engine)
        start = engine.snapshot()
        for number in 0..<count { try await engine.update(by: .random()) { try $0.set("key", to: number) } }
    }

    var isFar: Bool { false }
    var taskExecutor: (any TaskExecutor)? { executor }

    func requestSnapshot() -> Promise<Snapshot> { Promise(.success(start)) }
    func requestSpan() -> Promise<HistorySpan> { base.requestSpan() }
    func snapshot(at revision: Revision) async throws -> Snapshot { try await base.snapshot(at: revision) }

    func records(after revision: Revision, limit: Int) async throws -> [ChangeRecord] {
        try await base.records(after: revision, limit: limit)
    }

    func nextRecords(
        after revision: Revision,
        limit: Int
    ) async throws -> (records: [ChangeRecord], hasWaited: Bool) {
        executor.readPage()
        return try await base.nextRecords(after: revision, limit: 1)
    }
}

/// Runs each job on a thread, and counts the pages that are read in it.
private final class CountingExecutor: TaskExecutor {
    private let counts = Mutex<[Int]>([])

    var pages: [Int] { counts.withLock(\.self) }

    func readPage() { counts.withLock { $0[$0.count - 1] += 1 } }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        counts.withLock { $0.append(0) }
        startThread(for: "to run a job") { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
