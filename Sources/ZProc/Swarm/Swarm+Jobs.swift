// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
internal import ZProcCore

/// What maps and tasks are made of. None of it is asynchronous: packs of types do not go well with that.
extension Swarm {
    /// Starts a job.
    func start<Item, Output>(
        _ work: MapJob<Item, Output>.Work,
        on source: any ItemSource<Item>,
        count: Int?,
        options: MapOptions,
        collectsFailures: Bool
    ) throws -> (JobID, MapJob<Item, Output>) {
        let job = MapJob(
            work,
            source: source,
            retry: options.retry,
            collectsFailures: collectsFailures,
            system: context.system
        )
        // Now, so that what cannot travel is an error here, and what is captured travels as it is now.
        if context.backend == .processes { _ = try job.encodedWork() }
        var request = JobOptions(options, engine)
        request.isOrdered = options.order == .input
        request.chunkSize = options.chunkSize
        request.count = count
        request.window = options.window
        return (try engine.add(job, request), job)
    }

    /// Starts a job of one item.
    func start(_ job: TaskJob, _ options: MapOptions) throws -> JobID {
        var request = JobOptions(options, engine)
        request.isOrdered = false
        request.isTask = true
        return try engine.add(job, request)
    }

    /// Results, of which the first failure ends the whole.
    func values<Output>(
        _ started: (JobID, MapJob<some Sendable, Output>),
        total: Int?,
        options: MapOptions
    ) -> MapRun<Output> {
        let output = started.1.output
        return MapRun(self, started.0, total: total, options: options) {
            guard let piece = try await output.next() else { return nil }
            return (try piece.read().outputs, piece.count)
        }
    }

    /// Results and failures.
    func results<Output>(
        _ started: (JobID, MapJob<some Sendable, Output>),
        total: Int?,
        options: MapOptions
    ) -> MapRun<Result<Output, any Error>> {
        let output = started.1.output
        return MapRun(self, started.0, total: total, options: options) {
            guard let piece = try await output.next() else { return nil }
            return (try piece.read().merged(piece.count), piece.count)
        }
    }

    func mapWork<Item: Codable & Sendable, Output: Codable & Sendable>(
        _ fileID: String,
        _ line: Int,
        _ transform: @escaping @concurrent @Sendable (Item) async throws -> Output
    ) -> MapJob<Item, Output>.Work {
        let encoder = context.system.encoder, decoder = context.system.decoder
        return MapJob.Work(
            closure: { PortableClosure(MapClosure(transform: transform), fileID: fileID, line: line) },
            run: { items, run in try await run.results(of: items, transform) },
            encode: { try encoder.encode($0) },
            decode: { bytes, _ in try decoder.decode([Output].self, from: bytes) }
        )
    }

    func plainWork<Item: Codable & Sendable, Output: Codable & Sendable>(
        _ fileID: String,
        _ line: Int,
        _ transform: @escaping @Sendable (Item) throws -> Output
    ) -> MapJob<Item, Output>.Work {
        let encoder = context.system.encoder, decoder = context.system.decoder
        return MapJob.Work(
            closure: { PortableClosure(PlainMapClosure(transform: transform), fileID: fileID, line: line) },
            run: { items, run in try await run.results(of: items, plain: transform) },
            encode: { try encoder.encode($0) },
            decode: { bytes, _ in try decoder.decode([Output].self, from: bytes) }
        )
    }

    func eachWork<Item: Codable & Sendable>(
        _ fileID: String,
        _ line: Int,
        _ body: @escaping @concurrent @Sendable (Item) async throws -> Void
    ) -> MapJob<Item, Void>.Work {
        let encoder = context.system.encoder
        return MapJob.Work(
            closure: { PortableClosure(EachClosure(body: body), fileID: fileID, line: line) },
            run: { items, run in try await run.results(of: items, body) },
            encode: { try encoder.encode($0) },
            decode: { _, count in Array(repeating: (), count: count) }
        )
    }

    func zipWork<Output: Codable & Sendable, each Item: Codable & Sendable>(
        _ fileID: String,
        _ line: Int,
        _ transform: @escaping @concurrent @Sendable (repeat each Item) async throws -> Output
    ) -> MapJob<ArgumentList<repeat each Item>, Output>.Work {
        let encoder = context.system.encoder, decoder = context.system.decoder
        let closure = ZipClosure(transform: transform)
        return MapJob.Work(
            closure: { PortableClosure(closure, fileID: fileID, line: line) },
            run: { items, run in try await run.results(of: items, closure.call) },
            encode: { try encoder.encode($0) },
            decode: { bytes, _ in try decoder.decode([Output].self, from: bytes) }
        )
    }

    /// The elements of several sequences side by side, as far as the shortest goes.
    func rows<each Source: Sequence>(
        _ source: repeat each Source
    ) -> SequenceSource<ArgumentList<repeat (each Source).Element>>
    where repeat (each Source).Element: Codable & Sendable {
        let iterators = (repeat ElementIterator(each source))
        return SequenceSource {
            guard let row = try? (repeat (each iterators).next()) else { return nil }
            return ArgumentList(repeat each row)
        }
    }
}

extension JobOptions {
    /// What holds for tasks and maps.
    fileprivate init(_ options: MapOptions, _ engine: SwarmEngine) {
        self.init()
        priority = options.priority
        maximumKills = options.maximumDeaths
        itemTimeout = options.itemTimeout?.countable
        deadline = options.timeout.map { engine.now + $0.countable }
    }
}

extension Sequence {
    /// How many elements there are, where that is known at once and can be counted.
    var knownCount: Int? {
        if let range = self as? any WholeNumberRange { return range.safeCount }
        // A collection made of a range may have more elements than its `count` can say.
        guard let collection = self as? any RandomAccessCollection else { return nil }
        return collection.countByIndices
    }
}

extension RandomAccessCollection {
    fileprivate var countByIndices: Int? {
        guard let start = startIndex as? Int, let end = endIndex as? Int else { return nil }
        return end.subtractingReportingOverflow(start).overflow ? nil : count
    }
}

/// A range whose bounds may be too far apart for an `Int`.
private protocol WholeNumberRange {
    var safeCount: Int? { get }
}

extension Range: WholeNumberRange where Bound: FixedWidthInteger {
    fileprivate var safeCount: Int? { wholeDistance(lowerBound, upperBound) }
}

extension ClosedRange: WholeNumberRange where Bound: FixedWidthInteger {
    fileprivate var safeCount: Int? {
        guard let distance = wholeDistance(lowerBound, upperBound), distance < .max else { return nil }
        return distance + 1
    }
}

/// From one number to one that is not smaller; nil when an `Int` is too small for it.
private func wholeDistance<Number: FixedWidthInteger>(_ lower: Number, _ upper: Number) -> Int? {
    if let lower = Int(exactly: lower), let upper = Int(exactly: upper) {
        let (distance, overflows) = upper.subtractingReportingOverflow(lower)
        return overflows ? nil : distance
    }
    let (distance, overflows) = upper.subtractingReportingOverflow(lower)
    return overflows ? nil : Int(exactly: distance)
}
