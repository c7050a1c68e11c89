// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
internal import Synchronization
internal import ZProcCore

/// A job as the swarm's engine sees it: it keeps the items and the results, whose types only it knows.
protocol SwarmJob: AnyObject, Sendable {
    var collectsFailures: Bool { get }
    /// When an item that failed is tried again.
    var retry: RetryPolicy { get }
    /// Whether it is a single task.
    var isSingle: Bool { get }
    /// The trace it belongs to.
    var context: Trace.Context { get }

    /// Takes so many items from its input, or as many as are left; at least one unless there are none.
    ///
    /// - Throws: what the input threw.
    func pull(_ count: Int) async throws -> (count: Int, isLast: Bool)
    /// The encoded closure.
    func encodedWork() throws -> [UInt8]
    /// The encoded items of a chunk.
    func encodedItems(_ range: Range<Int>) throws -> [UInt8]
    /// Works on a chunk in this process and keeps the results.
    func work(on range: Range<Int>, in run: ChunkRun) async -> ChunkEnd
    /// Keeps the results of a chunk that was worked on elsewhere.
    func keep(_ results: ArraySlice<UInt8>, _ failures: [ItemFailure], of range: Range<Int>)
    /// Keeps an error as the result of each item of a chunk.
    func keep(_ error: any Error, of range: Range<Int>)
    /// Gives the results of a chunk to whoever waits for them.
    func deliver(_ range: Range<Int>)
    /// The same for a chunk without results.
    func deliver(_ range: Range<Int>, lostFor error: any Error)
    /// Nothing follows.
    func end(_ error: (any Error)?)
}

extension SwarmJob {
    /// Whether any item may be tried again.
    var mayRetry: Bool { retry.retriesAny }

    /// How long to wait before another attempt at an item; nil for none.
    func retryDelay(attempt: Int, after error: any Error) -> Duration? {
        var random = SystemRandomNumberGenerator()
        return retry.delay(before: attempt, after: error, random: &random)
    }
}

/// What became of a chunk that was worked on in this process.
enum ChunkEnd {
    case succeeded
    case failed(any Error)
    case cancelled
    /// Its items or results do not fit into a message, but its halves may.
    case tooLarge

    static func of(_ work: () async throws -> Void) async -> ChunkEnd {
        do {
            try await work()
            return .succeeded
        } catch let error as ItemError {
            return .failed(error.error)
        } catch {
            return error is CancellationError ? .cancelled : .failed(error)
        }
    }
}

/// Items of type `Item`, each of which gives an `Output`.
final class MapJob<Item: Sendable, Output: Sendable>: SwarmJob {
    /// What the types are needed for.
    struct Work: Sendable {
        /// The closure as it travels.
        let closure: @Sendable () -> PortableClosure
        /// What it does with items in this process.
        let run: @concurrent @Sendable ([Item], ChunkRun) async throws -> ([Output], [ItemError])
        let encode: @Sendable ([Item]) throws -> [UInt8]
        /// Reads so many results.
        let decode: @Sendable (ArraySlice<UInt8>, _ count: Int) throws -> [Output]
    }

    private enum Results {
        case typed([Output])
        case encoded(ArraySlice<UInt8>)
    }

    private struct State {
        /// Items whose results are not known yet, by the place of the first.
        var items: [Int: [Item]] = [:]
        var results: [Int: (results: Results, failures: [ItemError])] = [:]
        var next = 0
        var work: Result<[UInt8], any Error>?
    }

    let collectsFailures: Bool
    var isSingle: Bool { false }
    let context = Trace.Context.current
    let output = OutputQueue<Output>()
    private let work: Work
    let retry: RetryPolicy
    private let system: ZProcSystem
    private let source: any ItemSource<Item>
    private let state = Mutex(State())

    init(
        _ work: Work,
        source: any ItemSource<Item>,
        retry: RetryPolicy,
        collectsFailures: Bool,
        system: ZProcSystem
    ) {
        self.work = work
        self.source = source
        self.retry = retry
        self.collectsFailures = collectsFailures
        self.system = system
    }

    func pull(_ count: Int) async throws -> (count: Int, isLast: Bool) {
        let (items, isLast) = try await source.take(count)
        state.withLock { state in
            if items.isEmpty { return }
            state.items[state.next] = items
            state.next += items.count
        }
        return (items.count, isLast)
    }

    func encodedWork() throws -> [UInt8] {
        if let known = state.withLock({ $0.work }) { return try known.get() }
        let encoded = Result { try system.encode(work.closure()).bytes }
        state.withLock { $0.work = encoded }
        return try encoded.get()
    }

    func encodedItems(_ range: Range<Int>) throws -> [UInt8] { try work.encode(items(range)) }

    /// The items of a chunk: those of one pull, or a part of them.
    private func items(_ range: Range<Int>) -> [Item] {
        state.withLock { state in
            if let items = state.items[range.lowerBound], items.count == range.count { return items }
            // Chunks are divided only when a worker has died or a message would be too large: then this looks at all there are.
            guard let start = state.items.keys.filter({ $0 <= range.lowerBound }).max(), let items = state.items[start],
                start + items.count >= range.upperBound
            else { return [] }
            return Array(items[(range.lowerBound - start)..<(range.upperBound - start)])
        }
    }

    func work(on range: Range<Int>, in run: ChunkRun) async -> ChunkEnd {
        await ChunkEnd.of {
            let (outputs, failures) = try await context.carryOut { try await work.run(items(range), run) }
            state.withLock { $0.results[range.lowerBound] = (.typed(outputs), failures) }
        }
    }

    func keep(_ results: ArraySlice<UInt8>, _ failures: [ItemFailure], of range: Range<Int>) {
        let errors = failures.map { ItemError(offset: $0.offset, error: system.errorCoder.decode($0.error)) }
        state.withLock { $0.results[range.lowerBound] = (.encoded(results), errors) }
    }

    func keep(_ error: any Error, of range: Range<Int>) {
        let errors = (0..<range.count).map { ItemError(offset: $0, error: error) }
        state.withLock { $0.results[range.lowerBound] = (.typed([]), errors) }
    }

    func deliver(_ range: Range<Int>) {
        let known = state.withLock { $0.results.removeValue(forKey: range.lowerBound) }
        forgetItems(range)
        guard let (results, failures) = known else { return }
        let decode = work.decode
        output.put(range.count) {
            let outputs =
                switch results {
                case .typed(let outputs): outputs
                case .encoded(let bytes): try decode(bytes, range.count - failures.count)
                }
            guard outputs.count + failures.count == range.count else {
                throw CallError(.badResult, "a worker sent \(outputs.count) results for \(range.count) items")
            }
            return OutputQueue.Outputs(
                outputs: outputs,
                failures: failures.map { ($0.offset, $0.error) }
            )
        }
    }

    func deliver(_ range: Range<Int>, lostFor error: any Error) {
        forgetItems(range)
        output.put(range.count) {
            OutputQueue.Outputs(outputs: [], failures: (0..<range.count).map { ($0, error) })
        }
    }

    private func forgetItems(_ range: Range<Int>) {
        state.withLock { state in
            if state.items[range.lowerBound]?.count == range.count { state.items[range.lowerBound] = nil }
        }
    }

    func end(_ error: (any Error)?) {
        source.close()
        // Parts of chunks that were divided are left.
        state.withLock { state in
            state.items = [:]
            state.results = [:]
        }
        output.finish(error)
    }
}
