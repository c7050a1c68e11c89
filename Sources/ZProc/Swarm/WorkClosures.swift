// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures

/// What is done with the items of a job, whose types are known only to itself.
protocol PortableWork: ClosureHolder {
    /// Works on encoded items, one after the other.
    ///
    /// - Returns: the encoded results of those that did not fail, and the others' failures.
    /// - Throws: ``ItemError`` for the first that failed when failures are not collected; what reading the items or
    ///   writing the results threw.
    func run(items: ArraySlice<UInt8>, in run: ChunkRun) async throws -> ([UInt8], [ItemError])
}

/// An item failed, and with it its chunk.
struct ItemError: Error {
    var offset: Int
    var error: any Error
}

/// How the items of a chunk are worked on, wherever that is.
struct ChunkRun: Sendable {
    let system: ZProcSystem
    let collectsFailures: Bool
    /// How long to wait before another attempt, given how often the item was tried and its error; nil for none.
    let retryDelay: RetryDelay?

    typealias RetryDelay = @concurrent @Sendable (Int, any Error) async -> Duration?

    /// Calls `transform` for each item.
    func results<Item, Output>(
        of items: [Item],
        _ transform: (Item) async throws -> Output
    ) async throws -> ([Output], [ItemError]) {
        var outputs: [Output] = [], failures: [ItemError] = []
        outputs.reserveCapacity(items.count)
        var offset = 0
        for item in items {
            do {
                outputs.append(try await transform(item))
            } catch {
                if let output = try await second(item, offset, error, &failures, transform) { outputs.append(output) }
            }
            offset += 1
        }
        return (outputs, failures)
    }

    /// The same for what waits for nothing.
    @_specialize(where Item == Int, Output == Int)
    @_specialize(where Item == Double, Output == Double)
    @_specialize(where Item == Int, Output == Double)
    func results<Item, Output>(
        of items: [Item],
        plain transform: (Item) throws -> Output
    ) async throws -> ([Output], [ItemError]) {
        var outputs: [Output] = [], failures: [ItemError] = []
        outputs.reserveCapacity(items.count)
        var offset = 0
        while offset < items.count {
            do {
                outputs.append(try transform(items[offset]))
            } catch {
                let again = { (item: Item) async throws -> Output in try transform(item) }
                let output = try await second(items[offset], offset, error, &failures, again)
                if let output { outputs.append(output) }
            }
            offset += 1
            // Cancelling is seen between items, as often as it is cheap.
            if offset & 255 == 0 { try Task.checkCancellation() }
        }
        return (outputs, failures)
    }

    /// The result of an item that is alone, and whose failure is not collected.
    func result<Output>(_ work: () async throws -> Output) async throws -> Output {
        do {
            return try await work()
        } catch {
            var failures: [ItemError] = []
            let output = try await second((), 0, error, &failures) { _ in try await work() }
            guard let output else { throw error }
            return output
        }
    }

    /// What there is to do about an item that has failed.
    private func second<Item, Output>(
        _ item: Item,
        _ offset: Int,
        _ error: any Error,
        _ failures: inout [ItemError],
        _ transform: (Item) async throws -> Output
    ) async throws -> Output? {
        do {
            return try await again(item, after: error, transform)
        } catch {
            try Task.checkCancellation()
            guard collectsFailures else { throw ItemError(offset: offset, error: error) }
            failures.append(ItemError(offset: offset, error: error))
            return nil
        }
    }

    private func again<Item, Output>(
        _ item: Item,
        after error: any Error,
        _ transform: (Item) async throws -> Output
    ) async throws -> Output {
        guard let retryDelay else { throw error }
        var lastError = error, attempt = 1
        while let delay = await retryDelay(attempt, lastError) {
            try await Task.sleep(for: delay)
            do {
                return try await transform(item)
            } catch {
                lastError = error
                attempt += 1
            }
        }
        throw lastError
    }
}

/// One result for each item.
struct MapClosure<Item: Codable & Sendable, Output: Codable & Sendable>: PortableWork {
    let transform: @concurrent @Sendable (Item) async throws -> Output

    func run(items: ArraySlice<UInt8>, in run: ChunkRun) async throws -> ([UInt8], [ItemError]) {
        let items = try run.system.decoder.decode([Item].self, from: items)
        let (outputs, failures) = try await run.results(of: items, transform)
        return (try run.encode(outputs), failures)
    }
}

/// The same with a closure that waits for nothing.
struct PlainMapClosure<Item: Codable & Sendable, Output: Codable & Sendable>: PortableWork {
    let transform: @Sendable (Item) throws -> Output

    func run(items: ArraySlice<UInt8>, in run: ChunkRun) async throws -> ([UInt8], [ItemError]) {
        let items = try run.system.decoder.decode([Item].self, from: items)
        let (outputs, failures) = try await run.results(of: items, plain: transform)
        return (try run.encode(outputs), failures)
    }
}

/// The same for items that come from several sequences.
struct ZipClosure<Output: Codable & Sendable, each Item: Codable & Sendable>: PortableWork {
    let transform: @concurrent @Sendable (repeat each Item) async throws -> Output

    func run(items: ArraySlice<UInt8>, in run: ChunkRun) async throws -> ([UInt8], [ItemError]) {
        let rows = try run.system.decoder.decode([ArgumentList<repeat each Item>].self, from: items)
        let (outputs, failures) = try await run.results(of: rows, call)
        return (try run.encode(outputs), failures)
    }

    @concurrent @Sendable func call(_ row: ArgumentList<repeat each Item>) async throws -> Output {
        try await transform(repeat each row.values)
    }
}

/// No results: the same for items that something is only done with.
struct EachClosure<Item: Codable & Sendable>: PortableWork {
    let body: @concurrent @Sendable (Item) async throws -> Void

    func run(items: ArraySlice<UInt8>, in run: ChunkRun) async throws -> ([UInt8], [ItemError]) {
        let items = try run.system.decoder.decode([Item].self, from: items)
        let (_, failures) = try await run.results(of: items, body)
        return ([], failures)
    }
}

/// The same for items that come from several sequences.
struct ZipEachClosure<each Item: Codable & Sendable>: PortableWork {
    let body: @concurrent @Sendable (repeat each Item) async throws -> Void

    func run(items: ArraySlice<UInt8>, in run: ChunkRun) async throws -> ([UInt8], [ItemError]) {
        let rows = try run.system.decoder.decode([ArgumentList<repeat each Item>].self, from: items)
        let (_, failures) = try await run.results(of: rows, call)
        return ([], failures)
    }

    @concurrent @Sendable func call(_ row: ArgumentList<repeat each Item>) async throws {
        try await body(repeat each row.values)
    }
}

extension ChunkRun {
    func encode<Output: Encodable>(_ outputs: [Output]) throws -> [UInt8] {
        do {
            return try system.encoder.encode(outputs)
        } catch {
            throw CallError(.badResult, "the results, of type \(Output.self), cannot be encoded: \(error)")
        }
    }
}
