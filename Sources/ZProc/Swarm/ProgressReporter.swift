// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Says how far a job is, and shows it where that is asked for.
final class ProgressReporter: Sendable {
    private let swarm: Swarm
    private let job: JobID
    private let total: Int?
    private let label: String?
    private let start = ContinuousClock.now
    private let consumed = Atomic(0)
    private let ended = Promise<Void>()
    /// Nil when the progress is not shown.
    private let display: ProgressDisplay?

    init(_ swarm: Swarm, _ job: JobID, total: Int?, options: MapOptions) {
        self.swarm = swarm
        self.job = job
        self.total = total
        label = options.label
        display = options.progress == .none ? nil : ProgressDisplay()
        if display != nil { show() }
    }

    deinit { close() }

    var progress: MapProgress {
        MapProgress(
            label: label,
            total: total,
            done: swarm.engine.progress(of: job)?.done ?? consumed.load(ordering: .relaxed),
            workers: swarm.readyCount,
            elapsed: .now - start
        )
    }

    /// So many more results have been taken.
    func consumed(_ items: Int) { consumed.add(items, ordering: .relaxed) }

    /// The job has ended.
    func finish() {
        display?.show(progress, isLast: true)
        ended.settle()
    }

    /// Nobody reads results any more.
    func close() {
        ended.settle()
        display?.close()
    }

    /// Both.
    func end() {
        finish()
        close()
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
