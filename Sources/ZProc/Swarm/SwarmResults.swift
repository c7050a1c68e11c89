// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
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
    private let total: Int?
    private let label: String?
    private let start = ContinuousClock.now
    private let consumed = Atomic(0)
    private let ended = Promise<Void>()
    /// Nil when the progress is not shown.
    private let display: ProgressDisplay?
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
        self.total = total
        self.take = take
        label = options.label
        display = options.progress == .none ? nil : ProgressDisplay()
        if display != nil { show() }
    }

    deinit {
        ended.settle()
        display?.close()
        cancel()
    }

    func cancel() { swarm.engine.cancel(job) }

    var progress: MapProgress {
        MapProgress(
            label: label,
            total: total,
            done: swarm.engine.progress(of: job)?.done ?? consumed.load(ordering: .relaxed),
            workers: swarm.readyCount,
            elapsed: .now - start
        )
    }

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
                finish()
                return nil
            }
            consumed.add(piece.count, ordering: .relaxed)
            swarm.engine.consumed(job, items: piece.count)
            return piece.elements
        } catch {
            finish()
            throw error
        }
    }

    private func finish() {
        display?.show(progress, isLast: true)
        ended.settle()
    }

    /// Shows the progress now and then; the end shows itself.
    private func show() {
        guard let interval = display?.interval else { return }
        let ended = ended
        Task { [weak self] in
            while try await !ended.isSettled(within: interval) {
                guard let self else { return }
                display?.show(progress, isLast: false)
            }
        }
    }

    /// The progress, as often as asked for, and at the end.
    func updates(every interval: Duration) -> AsyncStream<MapProgress> {
        let ended = ended
        let (stream, continuation) = AsyncStream.makeStream(of: MapProgress.self, bufferingPolicy: .bufferingNewest(1))
        let task = Task { [weak self] in
            while try await !ended.isSettled(within: interval) {
                guard let progress = self?.progress else { break }
                continuation.yield(progress)
            }
            if let progress = self?.progress { continuation.yield(progress) }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }
}
