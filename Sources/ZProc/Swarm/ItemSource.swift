// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Synchronization

/// Where the items of a job come from.
protocol ItemSource<Item>: Sendable {
    associatedtype Item: Sendable
    /// Takes up to so many items; fewer only when there are no more, or not yet. One call at a time.
    ///
    /// - Throws: what the sequence threw.
    func take(_ count: Int) async throws -> (items: [Item], isLast: Bool)
    /// Takes no more.
    func close()
}

/// A sequence's iterator that can be one of several in a pack.
final class ElementIterator<Source: Sequence> {
    struct Ended: Error {}
    private var iterator: Source.Iterator

    init(_ source: Source) { iterator = source.makeIterator() }

    func next() throws -> Source.Element {
        guard let element = iterator.next() else { throw Ended() }
        return element
    }
}

/// Items of a sequence, taken when they are needed.
final class SequenceSource<Item: Sendable>: ItemSource {
    // Never touched by two at a time: the engine asks for items only after it has got those that it asked for before.
    nonisolated(unsafe) private var piece: ((_ count: Int) -> (items: [Item], isLast: Bool))?
    private let isClosed = Mutex(false)

    init<Source: Sequence>(_ source: sending Source) where Source.Element == Item {
        if let items = source as? [Item] {
            piece = Self.slices(of: items)
        } else if let range = source as? Range<Int>, let numbers = Self.numbers(range) {
            piece = numbers
        } else if let range = source as? ClosedRange<Int>, range.upperBound < .max,
            let numbers = Self.numbers(Range(range))
        {
            piece = numbers
        } else {
            var iterator = source.makeIterator()
            piece = Self.elements { iterator.next() }
        }
    }

    /// Takes what a closure gives until it gives nil.
    init(next: @escaping () -> Item?) { piece = Self.elements(next) }

    func take(_ count: Int) -> (items: [Item], isLast: Bool) {
        guard let piece, !isClosed.withLock({ $0 }) else { return ([], true) }
        let (items, isLast) = piece(count)
        if isLast { self.piece = nil }
        return (items, isLast)
    }

    func close() { isClosed.withLock { $0 = true } }

    private static func elements(_ next: @escaping () -> Item?) -> (Int) -> (items: [Item], isLast: Bool) {
        { count in
            var items: [Item] = []
            items.reserveCapacity(min(count, 65_536))
            while items.count < count {
                guard let item = next() else { return (items, true) }
                items.append(item)
            }
            return (items, false)
        }
    }

    /// For those, a piece at a time costs much less than one element after the other.
    private static func slices(of items: [Item]) -> (Int) -> (items: [Item], isLast: Bool) {
        var start = 0
        return { count in
            let end = start + min(items.count - start, count)
            defer { start = end }
            return (Array(items[start..<end]), end == items.count)
        }
    }

    private static func numbers(_ range: Range<Int>) -> ((Int) -> (items: [Item], isLast: Bool))? {
        var start = range.lowerBound
        let numbers = { (count: Int) -> (items: [Int], isLast: Bool) in
            // The range may have more numbers than an Int can count.
            let end = start > .max - count ? range.upperBound : min(range.upperBound, start + count)
            defer { start = end }
            return (Array(start..<end), end == range.upperBound)
        }
        // As a whole: casting each array would look at every number.
        return numbers as Any as? (Int) -> (items: [Item], isLast: Bool)
    }
}

/// Items of an asynchronous sequence, read a little ahead of what is needed.
final class AsyncSource<Source: AsyncSequence & Sendable>: ItemSource where Source.Element: Sendable {
    private struct State {
        var items: Deque<Source.Element> = []
        /// How many may wait.
        var demand = 0
        var end: Result<Void, any Error>?
        var taker: UnsafeContinuation<Void, Never>?
        var reader: UnsafeContinuation<Void, Never>?
        var task: Task<Void, Never>?
    }
    private let source: Source
    private let state = Mutex(State())

    init(_ source: Source) { self.source = source }

    func take(_ count: Int) async throws -> (items: [Source.Element], isLast: Bool) {
        let reader = state.withLock { state in
            state.demand = max(1, count)
            if state.task == nil, state.end == nil { state.task = Task { [self] in await read() } }
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
        await withUnsafeContinuation { (taker: UnsafeContinuation<Void, Never>) in
            let isReady = state.withLock { state in
                if !state.items.isEmpty || state.end != nil { return true }
                state.taker = taker
                return false
            }
            if isReady { taker.resume() }
        }
        let (items, isLast, end) = state.withLock { state in
            let items = Array(state.items.prefix(count))
            state.items.removeFirst(items.count)
            return (items, state.items.isEmpty && state.end != nil, state.end)
        }
        // What came before the error is worked on first.
        if items.isEmpty, case .failure(let error)? = end { throw error }
        if isLast, case .failure? = end { return (items, false) }
        return (items, isLast)
    }

    private func read() async {
        do {
            for try await item in source {
                let taker = state.withLock { state in
                    state.items.append(item)
                    defer { state.taker = nil }
                    return state.taker
                }
                taker?.resume()
                try Task.checkCancellation()
                await withUnsafeContinuation { (reader: UnsafeContinuation<Void, Never>) in
                    let goesOn = state.withLock { state in
                        if state.items.count < state.demand || state.end != nil { return true }
                        state.reader = reader
                        return false
                    }
                    if goesOn { reader.resume() }
                }
            }
            finish(.success(()))
        } catch {
            finish(.failure(error))
        }
    }

    func close() {
        let task = state.withLock { $0.task }
        task?.cancel()
        finish(.success(()))
    }

    private func finish(_ end: Result<Void, any Error>) {
        let waiting = state.withLock { state in
            if state.end == nil { state.end = end }
            defer { (state.taker, state.reader) = (nil, nil) }
            return [state.taker, state.reader]
        }
        for waiter in waiting { waiter?.resume() }
    }
}
