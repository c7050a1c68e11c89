// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import HeapModule

/// Something that is to happen when nothing else has happened before.
struct Deadline: Comparable {
    enum Event: Hashable {
        /// The job is to have ended.
        case job(JobID)
        /// The worker is to have finished the chunk, whether its job has ended or not.
        case chunk(ChunkID, WorkerID)
        /// The worker is to have got work again.
        case idle(WorkerID)
        /// Workers may be started again.
        case start
    }

    let time: Duration
    let event: Event

    static func < (left: Deadline, right: Deadline) -> Bool { left.time < right.time }
}

extension Broker {
    /// Does what is due.
    package mutating func timePassed(now: Duration) -> [Effect] {
        while let next = deadlines.min, next.time <= now {
            deadlines.removeMin()
            guard isCurrent(next) else { continue }
            switch next.event {
            case .job(let id): end(id, .timedOut, now)
            case .chunk(let id, let worker):
                // What waits behind it comes back when the worker has gone.
                workers.change(worker) { worker in
                    worker.isRetiring = true
                    worker.chunks.removeAll { $0 == id }
                }
                if let job = job(of: id) {
                    release(id, of: job)
                    settle(id, .timedOut, now)
                } else {
                    chunks.remove(id)
                }
                effects.append(.kill(worker))
            case .idle(let id):
                workers.change(id) { $0.isRetiring = true }
                retireIfDone(id, now)
            case .start:
                isStartAwaited = false
                adjustWorkers(now)
            }
        }
        return takeEffects(now)
    }

    /// Keeps the time of the chunk that a worker works on now.
    mutating func watchHead(of worker: WorkerID, _ now: Duration) {
        guard let id = workers.read(worker, { $0.chunks.first }) ?? nil, let chunk = chunks[id] else { return }
        guard let itemTimeout = jobs.read(chunk.job, { $0.options.itemTimeout }) else {
            return watchCancelled(id, worker, now)
        }
        guard let time = itemTimeout else { return }
        deadlines.insert(Deadline(time: now + time * chunk.range.count, event: .chunk(id, worker)))
    }

    /// Keeps the time of a chunk that nobody waits for any more: what does not end would keep its worker for ever.
    mutating func watchCancelled(_ id: ChunkID, _ worker: WorkerID, _ now: Duration) {
        deadlines.insert(Deadline(time: now + limits.cancelGrace, event: .chunk(id, worker)))
    }

    /// Whether something has not been overtaken by events.
    private func isCurrent(_ deadline: Deadline) -> Bool {
        switch deadline.event {
        case .job(let id): jobs.contains(id)
        case .chunk(let id, let worker): workers.read(worker) { $0.chunks.first == id } == true
        case .idle(let id):
            // While there are jobs, there may be work for it at any time.
            jobs.isEmpty && workers.count > limits.minimumWorkers
                && workers.read(id) { worker in
                    guard let limit = limits.idleLimit, worker.chunks.isEmpty, !worker.isRetiring else { return false }
                    return worker.idleSince + limit <= deadline.time
                } == true
        case .start: startFailures > 0 && !isBroken && deadline.time == nextStart
        }
    }

    mutating func forgetOldDeadlines() {
        while let next = deadlines.min, !isCurrent(next) { deadlines.removeMin() }
    }
}
