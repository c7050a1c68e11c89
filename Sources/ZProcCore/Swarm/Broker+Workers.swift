// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import HeapModule

extension Broker {
    /// Wants so many workers, beside those started by others.
    ///
    /// - Parameters:
    ///   - count: how many.
    ///   - force: whether those that are too many end at once.
    ///   - now: the time.
    /// - Returns: what to do.
    package mutating func setWorkerCount(_ count: Int, force: Bool = false, now: Duration) -> [Effect] {
        wanted = max(0, count)
        isBroken = false
        forgetStartFailures()
        adjustWorkers(now)
        if force {
            // Also those that were to go already, and are still at it.
            for id in workers.ids(where: { $0.isOwn && $0.isRetiring }) {
                takeBack(Array(workers.remove(id)?.chunks ?? []))
                effects.append(.kill(id))
            }
            dispatch(now)
        }
        return takeEffects(now)
    }

    /// A worker is ready for work.
    ///
    /// - Parameters:
    ///   - id: which; new.
    ///   - isOwn: whether it was started because this asked for it; others are not replaced when they leave.
    ///   - now: the time.
    /// - Returns: what to do.
    package mutating func workerJoined(_ id: WorkerID, isOwn: Bool, now: Duration) -> [Effect] {
        let worker = Worker(isOwn: isOwn, isProof: isOwn && startFailures > 0, idleSince: now)
        guard workers.add(id, worker) else { return [] }
        if isOwn { starting = max(0, starting - 1) }
        isBroken = false
        idle.append(id)
        adjustWorkers(now)
        watchIdle(id, now)
        dispatch(now)
        for job in jobs.ids { pull(job) }
        return takeEffects(now)
    }

    package mutating func workerFailedToStart(now: Duration) -> [Effect] {
        starting = max(0, starting - 1)
        failedToStart(now)
        return takeEffects(now)
    }

    /// A worker has ended, by itself or by force: what it worked on may have been why.
    package mutating func workerLeft(_ id: WorkerID, now: Duration) -> [Effect] {
        guard let worker = workers.remove(id) else { return [] }
        var back: [ChunkID] = []
        if worker.chunks.count == 1, !hasTimedOut(worker) {
            back = killed(worker.chunks[0], now)
        } else {
            // Which of them it was is not known: what was told last may not have arrived. One that ran for too long has
            // been taken off already, and then it was none of these.
            back = Array(worker.chunks)
            if !hasTimedOut(worker) { for chunk in back { chunks.change(chunk) { $0.isSuspect = true } } }
        }
        takeBack(back)
        if worker.isOwn, !worker.hasWorked, worker.chunks.isEmpty, !worker.isRetiring {
            failedToStart(now)
        } else {
            adjustWorkers(now)
        }
        dispatch(now)
        return takeEffects(now)
    }

    /// Whether a worker lost the chunk that it worked on, because that ran for too long.
    private func hasTimedOut(_ worker: Worker) -> Bool { worker.messages.reduce(0, +) > worker.chunks.count }

    /// Ends a worker: when it has done what it has, or by force at once.
    package mutating func retire(_ id: WorkerID, force: Bool, now: Duration) -> [Effect] {
        let back = workers.change(id) { worker -> Deque<ChunkID> in
            worker.isRetiring = true
            guard force else { return [] }
            defer { (worker.chunks, worker.messages) = ([], []) }
            return worker.chunks
        }
        guard let back else { return [] }
        if force { takeBack(Array(back)) }
        retireIfDone(id, now)
        adjustWorkers(now)
        dispatch(now)
        return takeEffects(now)
    }

    /// Lets a worker go that is to end and has nothing left to do.
    mutating func retireIfDone(_ id: WorkerID, _ now: Duration) {
        if workers.read(id, { $0.isRetiring && $0.messages.isEmpty }) == true {
            workers.remove(id)
            effects.append(.retire(id))
        } else if workers.read(id, { $0.chunks.isEmpty }) == true {
            watchIdle(id, now)
        }
    }

    /// From now on, who has nothing to do is to end some time.
    mutating func watchIdleWorkers(_ now: Duration) {
        for id in workers.ids(where: { $0.chunks.isEmpty }) {
            workers.change(id) { $0.idleSince = now }
            watchIdle(id, now)
        }
    }

    private mutating func watchIdle(_ id: WorkerID, _ now: Duration) {
        if let limit = limits.idleLimit, workers.read(id, { $0.isOwn }) == true {
            deadlines.insert(Deadline(time: now + limit, event: .idle(id)))
        }
    }

    // MARK: Chunks of workers that have ended

    /// What is to run again of a chunk that a worker ended over: its halves, until the item that ends workers is alone.
    private mutating func killed(_ id: ChunkID, _ now: Duration) -> [ChunkID] {
        guard var chunk = chunks[id], let most = jobs.read(chunk.job, { $0.options.maximumKills }) else {
            chunks.remove(id)
            return []
        }
        chunk.isSuspect = true
        // Only what was alone is to blame: the others of a chunk may have done nothing.
        if chunk.range.count <= 1 { chunk.kills += 1 }
        chunks.change(id) { $0 = chunk }
        release(id, of: chunk.job)
        if chunk.kills >= max(1, most) {
            settle(id, .lost(kills: chunk.kills), now)
            return []
        }
        return chunk.range.count > 1 ? halve(id) : [id]
    }

    /// Divides a chunk of several items.
    mutating func halve(_ id: ChunkID) -> [ChunkID] {
        guard let chunk = chunks.remove(id) else { return [] }
        let middle = chunk.range.lowerBound + chunk.range.count / 2
        let halves = [chunk.range.lowerBound..<middle, middle..<chunk.range.upperBound].map { range in
            chunks.add(Chunk(job: chunk.job, range: range, kills: 0, isSuspect: chunk.isSuspect))
        }
        jobs.change(chunk.job) { job in
            job.openCount += 1
            if let place = job.sequence.firstIndex(of: id) {
                job.sequence.replaceSubrange(place...place, with: halves)
            }
        }
        return halves
    }

    /// Puts chunks back, the first of them to be the next.
    mutating func takeBack(_ back: [ChunkID]) {
        for chunk in back.reversed() { putBack(chunk) }
        for job in Set(back.compactMap { chunks[$0]?.job }).sorted(by: { $0.number < $1.number }) { standInLine(job) }
    }

    // MARK: How many

    private mutating func failedToStart(_ now: Duration) {
        // Those that were started together and fail together count once.
        if now >= nextStart {
            startFailures += 1
            let factor = 1 << min(startFailures - 1, 20)
            nextStart = now + min(limits.startPause * factor, limits.maximumStartPause)
            awaitStart()
        }
        // While others start, one of them may live.
        if startFailures >= max(1, limits.maximumStartFailures), workers.isEmpty, starting == 0, wanted > 0 {
            isBroken = true
            isStartAwaited = false
            for job in jobs.ids { end(job, .noWorkers, now) }
        } else {
            adjustWorkers(now)
        }
    }

    private mutating func awaitStart() {
        isStartAwaited = true
        deadlines.insert(Deadline(time: nextStart, event: .start))
    }

    mutating func forgetStartFailures() {
        startFailures = 0
        nextStart = .zero
        isStartAwaited = false
    }

    /// Starts what is lacking, and has those go that are too many: first who has nothing to do.
    mutating func adjustWorkers(_ now: Duration) {
        if isBroken { return }
        let staying = workers.count { $0.isOwn && !$0.isRetiring }
        // With an idle limit, who has gone is started again when there is work.
        let goal =
            limits.idleLimit == nil || !jobs.isEmpty
            ? wanted : min(wanted, max(limits.minimumWorkers, staying + starting))
        if staying + starting < goal {
            guard now >= nextStart else {
                // What happened before the pause ended may be told of after it.
                if !isStartAwaited { awaitStart() }
                return
            }
            // After a failure one alone shows whether it works again, when there is no other.
            let lacking = goal - staying - starting
            let count = startFailures == 0 || !workers.isEmpty ? lacking : starting == 0 ? 1 : 0
            if count > 0 { effects.append(.start(count)) }
            starting += count
        } else if staying > wanted {
            let load = workers.ids { $0.isOwn && !$0.isRetiring }.map { id in
                (id: id, count: workers.read(id) { $0.chunks.count } ?? 0)
            }
            let order = load.sorted { $0.count == $1.count ? $0.id.number > $1.id.number : $0.count < $1.count }
            for (id, _) in order.prefix(staying - wanted) {
                workers.change(id) { $0.isRetiring = true }
                retireIfDone(id, now)
            }
        }
    }
}
