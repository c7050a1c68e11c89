// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

extension Broker {
    /// Gives ready chunks to workers that have a place for them: first to those without work.
    mutating func dispatch(_ now: Duration) {
        while readyCount > 0, let worker = nextIdle() { give(worker, now) }
        while readyCount > 0, let next = nextChunk, mayWait(next), let worker = nextAhead() { give(worker, now) }
    }

    private mutating func nextIdle() -> WorkerID? {
        while let id = idle.popLast() {
            if workers.read(id, { $0.messages.isEmpty && !$0.isRetiring }) == true { return id }
        }
        return nil
    }

    private mutating func nextAhead() -> WorkerID? {
        while let id = ahead.popFirst() {
            let isNext = workers.change(id) { worker in
                defer { worker.isInLine = false }
                return worker.isInLine && worker.messages.count == 1 && !worker.isRetiring
            }
            if isNext == true { return id }
        }
        return nil
    }

    /// Enters a worker that may be given a message to wait for: not while it works on what may take long.
    mutating func standAhead(_ id: WorkerID) {
        let head = workers.read(id) { worker in
            worker.messages.count == 1 && !worker.isInLine && !worker.isRetiring ? worker.chunks.first : nil
        }
        guard let head = head ?? nil, mayWait(head) else { return }
        workers.change(id) { $0.isInLine = true }
        ahead.append(id)
    }

    /// Whether a chunk may wait at a worker, or be waited for there: not what may take long, while another worker might
    /// be free before.
    private func mayWait(_ id: ChunkID) -> Bool {
        guard chunks[id]?.isSuspect == false, let time = expectedTime(id) else { return false }
        guard let rest = timeLeft(id) else { return time <= waitingTime }
        // Near the end, a worker that is free before has nothing else to do; what is very cheap may wait all the same.
        return time <= min(waitingTime, max(batchTime, rest / 4))
    }

    /// How long all workers together are expected to be busy with what its job has not supplied yet, in seconds; nil when
    /// that is not known.
    private func timeLeft(_ id: ChunkID) -> Double? {
        guard let owner = chunks[id]?.job, jobs.read(owner, { $0.options.isTask }) == false, let job = jobs[owner]
        else { return nil }
        if job.progress.isInputEnded { return 0 }
        guard let count = job.options.count, let itemTime = job.chunking.itemTime else { return nil }
        return max(0, Double(count) - Double(job.progress.supplied)) * itemTime / Double(max(1, workers.count))
    }

    /// How long a chunk is expected to run, in seconds; nil when nothing is known.
    private func expectedTime(_ id: ChunkID) -> Double? {
        guard let chunk = chunks[id], let isTask = jobs.read(chunk.job, { $0.options.isTask }) else { return nil }
        if isTask { return taskTime }
        return jobs.read(chunk.job) { $0.chunking.itemTime }?.map { $0 * Double(chunk.range.count) }
    }

    private mutating func give(_ id: WorkerID, _ now: Duration) {
        let share = (readyCount - 1) / max(1, workers.count) + 1, limit = min(share, limits.batchSize)
        var batch: [ChunkID] = [], time = 0.0
        while batch.count < limit, let next = nextChunk {
            let expected = expectedTime(next)
            let isSuspect = chunks[next]?.isSuspect == true
            // What is not known, takes long or may end its worker goes alone.
            let isTogether = !isSuspect && expected.map { time + $0 <= batchTime } ?? false
            if !batch.isEmpty, !isTogether { break }
            takeNext()
            guard let chunk = chunks[next] else { continue }
            chunks.change(next) { $0.worker = id }
            jobs.change(chunk.job) { $0.assigned.append(next) }
            batch.append(next)
            time += isSuspect ? .infinity : expected ?? .infinity
            pull(chunk.job)
        }
        guard !batch.isEmpty else { return }
        let wasIdle = workers.change(id) { worker in
            defer {
                worker.chunks.append(contentsOf: batch)
                worker.messages.append(batch.count)
            }
            return worker.chunks.isEmpty
        }
        effects.append(.assign(id, batch))
        if wasIdle == true { watchHead(of: id, now) }
        standAhead(id)
    }

    // MARK: Lines

    private var nextChunk: ChunkID? { lines.first?.jobs.first.flatMap { jobs.read($0) { $0.ready.first } ?? nil } }

    /// Takes the next chunk out of its job, which goes to the end of its line.
    private mutating func takeNext() {
        guard let id = lines[0].jobs.popFirst() else { return }
        jobs.change(id) { job in
            if job.ready.popFirst() != nil { readyCount -= 1 }
            if job.ready.isEmpty { job.isInLine = false } else { lines[0].jobs.append(id) }
        }
        tidyLines()
    }

    /// Enters a job that has ready chunks.
    mutating func standInLine(_ id: JobID) {
        guard jobs.read(id, { $0.mustStandInLine }) == true, let priority = jobs.read(id, { $0.options.priority })
        else { return }
        jobs.change(id) { $0.isInLine = true }
        if let place = lines.firstIndex(where: { $0.priority <= priority }) {
            if lines[place].priority == priority {
                lines[place].jobs.append(id)
            } else {
                lines.insert((priority, [id]), at: place)
            }
        } else {
            lines.append((priority, [id]))
        }
        tidyLines()
    }

    /// Drops what has ended from the front.
    mutating func tidyLines() {
        while let line = lines.first {
            if let id = line.jobs.first {
                if jobs.read(id, { $0.ready.isEmpty }) == false { return }
                lines[0].jobs.removeFirst()
                jobs.change(id) { $0.isInLine = false }
            } else {
                lines.removeFirst()
            }
        }
    }

    /// Gives a chunk back to its job, to be the next.
    mutating func putBack(_ id: ChunkID) {
        guard let chunk = chunks[id], jobs.contains(chunk.job) else {
            chunks.remove(id)
            return
        }
        release(id, of: chunk.job)
        jobs.change(chunk.job) { $0.ready.prepend(id) }
        readyCount += 1
    }

    // MARK: Input

    /// Asks for items when workers will need them soon and the consumer keeps up.
    mutating func pull(_ id: JobID) {
        guard jobs.read(id, { $0.mayPull }) == true, let job = jobs[id] else { return }
        let places = max(1, workers.count)
        // A chunk for each worker lies ready.
        guard job.ready.count < places else { return }
        let size = job.chunking.next(
            remaining: job.options.count.map { max(0, $0) - job.progress.supplied },
            workers: places
        )
        let (share, overflows) = job.chunking.usual.multipliedReportingOverflow(by: limits.windowChunks * places)
        let window = job.options.window ?? (overflows ? .max : share)
        let room = max(1, window) - (job.progress.supplied - job.consumed)
        guard room > 0 else { return }
        jobs.change(id) { $0.isPulling = true }
        effects.append(.pull(id, count: min(size, room)))
    }
}
