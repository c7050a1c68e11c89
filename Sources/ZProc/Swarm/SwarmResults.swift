// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// The results of a map as they come; see ``Swarm/mapLazy(_:options:fileID:line:transform:)-swift.method``.
///
/// For one reader. The map is cancelled when the reader is, or leaves its loop; and it does not get far ahead of a slow
/// one.
public struct SwarmResults<Element: Sendable>: AsyncSequence, Sendable {
    let run: MapRun<Element>

    /// The results.
    public func makeAsyncIterator() -> Iterator { Iterator(run: run) }

    /// How far the map is.
    public var progress: MapProgress { run.progress }

    /// Gives result after result.
    public struct Iterator: AsyncIteratorProtocol {
        let run: MapRun<Element>
        private var ready: ArraySlice<Element> = []

        init(run: MapRun<Element>) { self.run = run }

        /// The next result; nil after the last.
        ///
        /// - Throws: the error of the first item to fail, ``SwarmError``, what the input threw, `CancellationError`.
        public mutating func next() async throws -> Element? {
            while ready.isEmpty {
                guard let piece = try await run.next() else { return nil }
                ready = piece[...]
            }
            return ready.popFirst()
        }
    }
}

/// How far a map is.
public struct MapProgress: Hashable, Sendable {
    /// How many items there are; nil when that is not known.
    public var total: Int?
    /// Items taken from the input so far.
    public var taken: Int
    /// Items whose results are known.
    public var done: Int
    /// How many workers are ready.
    public var workers: Int
    /// Since the map began.
    public var elapsed: Duration
}

/// A map that runs: cancelled with the last reference to it.
final class MapRun<Element: Sendable>: Sendable {
    private let swarm: Swarm
    private let job: JobID
    private let total: Int?
    private let start = ContinuousClock.now
    private let take: @Sendable () async throws -> (elements: [Element], count: Int)?

    init(
        _ swarm: Swarm,
        _ job: JobID,
        total: Int?,
        take: @escaping @Sendable () async throws -> (elements: [Element], count: Int)?
    ) {
        self.swarm = swarm
        self.job = job
        self.total = total
        self.take = take
    }

    deinit { cancel() }

    func cancel() { swarm.engine.cancel(job) }

    var progress: MapProgress {
        let known = swarm.engine.progress(of: job)
        return MapProgress(
            total: total,
            taken: known?.supplied ?? total ?? 0,
            done: known?.done ?? total ?? 0,
            workers: swarm.readyCount,
            elapsed: .now - start
        )
    }

    /// The next chunk's results; nil at the end.
    func next() async throws -> [Element]? {
        let piece = try await withTaskCancellationHandler {
            try await take()
        } onCancel: {
            cancel()
        }
        guard let piece else { return nil }
        swarm.engine.consumed(job, items: piece.count)
        return piece.elements
    }
}
