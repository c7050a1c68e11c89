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

    /// How far the map is, every so often, until it has ended or its results are no longer read.
    ///
    /// - Parameter interval: how often.
    /// - Returns: the progress, each time.
    public func progressUpdates(every interval: Duration = .milliseconds(100)) -> AsyncStream<MapProgress> {
        run.updates(every: interval)
    }

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

/// A map that runs: cancelled with the last reference to it.
final class MapRun<Element: Sendable>: Sendable {
    private let swarm: Swarm
    private let job: JobID
    private let reporter: ProgressReporter
    private let take: @Sendable () async throws -> (elements: [Element], count: Int)?

    init(
        _ swarm: Swarm,
        _ job: JobID,
        total: Int?,
        options: MapOptions,
        take: @escaping @Sendable () async throws -> (elements: [Element], count: Int)?
    ) {
        self.swarm = swarm
        self.job = job
        self.take = take
        reporter = ProgressReporter(swarm, job, total: total, options: options)
    }

    deinit { cancel() }

    @Sendable func cancel() { swarm.engine.cancel(job) }

    var progress: MapProgress { reporter.progress }

    func updates(every interval: Duration) -> AsyncStream<MapProgress> { reporter.updates(every: interval) }

    /// The next chunk's results; nil at the end.
    func next() async throws -> [Element]? {
        do {
            // All workers may wait like that, and then for ever.
            if WorkerStorage.isInside(swarm.engine) { throw SwarmError.nested }
            let piece = try await withTaskCancellationHandler {
                try await take()
            } onCancel: {
                cancel()
            }
            guard let piece else {
                reporter.finish()
                return nil
            }
            reporter.consumed(piece.count)
            swarm.engine.consumed(job, items: piece.count)
            return piece.elements
        } catch {
            reporter.finish()
            throw error
        }
    }
}
