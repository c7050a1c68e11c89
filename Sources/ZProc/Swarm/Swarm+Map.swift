// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Maps over sequences.
extension Swarm {
    /// Calls `transform` for each element, on all workers, and gives the results in the order of the elements.
    ///
    ///     let squares = try await swarm.map(0..<1_000_000) { $0 * $0 }
    ///
    /// Elements are taken from the sequence as they are needed and go to the workers in chunks, whose size follows what
    /// they cost. Cancelling the task cancels the map.
    ///
    /// - Parameters:
    ///   - elements: what to work on; read on another thread.
    ///   - options: order, times, retries and more.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - transform: what to do with an element; travels as a spawned body does.
    /// - Returns: the results.
    /// - Throws: the error of the first element to fail, which cancels the rest; ``SwarmError`` when workers were lost
    ///   over elements, or time was up; `PortableClosureError` for a closure that cannot travel; `CancellationError`.
    public func map<Source: Sequence, Output: Codable & Sendable>(
        _ elements: sending Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @concurrent @Sendable (Source.Element) async throws -> Output
    ) async throws -> [Output] where Source.Element: Codable & Sendable {
        try await mapLazy(elements, options: options, fileID: fileID, line: line, transform: transform).run.all()
    }

    /// The same for a closure that does not wait for anything, which costs less for each element.
    public func map<Source: Sequence, Output: Codable & Sendable>(
        _ elements: sending Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @Sendable (Source.Element) throws -> Output
    ) async throws -> [Output] where Source.Element: Codable & Sendable {
        try await mapLazy(elements, options: options, fileID: fileID, line: line, transform: transform).run.all()
    }

    /// The same for elements of several sequences side by side, as far as the shortest goes.
    @_disfavoredOverload
    public func map<each Source: Sequence & Sendable, Output: Codable & Sendable>(
        _ elements: repeat each Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @concurrent @Sendable (repeat (each Source).Element) async throws -> Output
    ) async throws -> [Output] where repeat (each Source).Element: Codable & Sendable {
        let results = try mapLazy(
            repeat each elements,
            options: options,
            fileID: fileID,
            line: line,
            transform: transform
        )
        return try await results.run.all()
    }

    /// The same for elements that come with time.
    public func map<Source: AsyncSequence & Sendable, Output: Codable & Sendable>(
        _ elements: Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @concurrent @Sendable (Source.Element) async throws -> Output
    ) async throws -> [Output] where Source.Element: Codable & Sendable {
        try await mapLazy(elements, options: options, fileID: fileID, line: line, transform: transform).run.all()
    }

    /// Begins a map and gives its results as they come; see
    /// ``map(_:options:fileID:line:transform:)-swift.method``.
    ///
    /// The elements may be without end. Only so many are worked on ahead of the consumer: those that keep the workers
    /// busy, or ``MapOptions/window``.
    ///
    /// - Throws: `PortableClosureError` for a closure that cannot travel; ``SwarmError`` when the swarm has ended.
    public func mapLazy<Source: Sequence, Output: Codable & Sendable>(
        _ elements: sending Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @concurrent @Sendable (Source.Element) async throws -> Output
    ) throws -> SwarmResults<Output> where Source.Element: Codable & Sendable {
        let count = elements.knownCount
        let job = try start(
            mapWork(fileID, line, transform),
            on: SequenceSource(elements),
            count: count,
            options: options,
            collectsFailures: false
        )
        return SwarmResults(run: values(job, total: count, options: options))
    }

    /// The same for a closure that does not wait for anything, which costs less for each element.
    public func mapLazy<Source: Sequence, Output: Codable & Sendable>(
        _ elements: sending Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @Sendable (Source.Element) throws -> Output
    ) throws -> SwarmResults<Output> where Source.Element: Codable & Sendable {
        let count = elements.knownCount
        let job = try start(
            plainWork(fileID, line, transform),
            on: SequenceSource(elements),
            count: count,
            options: options,
            collectsFailures: false
        )
        return SwarmResults(run: values(job, total: count, options: options))
    }

    /// The same for elements of several sequences side by side, as far as the shortest goes.
    @_disfavoredOverload
    public func mapLazy<each Source: Sequence & Sendable, Output: Codable & Sendable>(
        _ elements: repeat each Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @concurrent @Sendable (repeat (each Source).Element) async throws -> Output
    ) throws -> SwarmResults<Output> where repeat (each Source).Element: Codable & Sendable {
        let job = try start(
            zipWork(fileID, line, transform),
            on: rows(repeat each elements),
            count: nil,
            options: options,
            collectsFailures: false
        )
        return SwarmResults(run: values(job, total: nil, options: options))
    }

    /// The same for elements that come with time.
    public func mapLazy<Source: AsyncSequence & Sendable, Output: Codable & Sendable>(
        _ elements: Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @concurrent @Sendable (Source.Element) async throws -> Output
    ) throws -> SwarmResults<Output> where Source.Element: Codable & Sendable {
        let job = try start(
            mapWork(fileID, line, transform),
            on: AsyncSource(elements),
            count: nil,
            options: options,
            collectsFailures: false
        )
        return SwarmResults(run: values(job, total: nil, options: options))
    }

    /// A map in which an element that fails is a result like others.
    ///
    /// - Returns: a result or an error for each element, in the order of the elements.
    /// - Throws: what the whole failed of, and no element's error.
    public func mapResults<Source: Sequence, Output: Codable & Sendable>(
        _ elements: sending Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @concurrent @Sendable (Source.Element) async throws -> Output
    ) async throws -> [Result<Output, any Error>] where Source.Element: Codable & Sendable {
        try await mapResultsLazy(elements, options: options, fileID: fileID, line: line, transform: transform).run.all()
    }

    /// The same, giving results and errors as they come.
    ///
    /// - Throws: `PortableClosureError` for a closure that cannot travel; ``SwarmError`` when the swarm has ended.
    public func mapResultsLazy<Source: Sequence, Output: Codable & Sendable>(
        _ elements: sending Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @concurrent @Sendable (Source.Element) async throws -> Output
    ) throws -> SwarmResults<Result<Output, any Error>> where Source.Element: Codable & Sendable {
        let count = elements.knownCount
        let job = try start(
            mapWork(fileID, line, transform),
            on: SequenceSource(elements),
            count: count,
            options: options,
            collectsFailures: true
        )
        return SwarmResults(run: results(job, total: count, options: options))
    }

    /// Calls `body` for each element, on all workers.
    ///
    /// - Throws: as `map`.
    public func forEach<Source: Sequence>(
        _ elements: sending Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (Source.Element) async throws -> Void
    ) async throws where Source.Element: Codable & Sendable {
        let count = elements.knownCount
        let job = try start(
            eachWork(fileID, line, body),
            on: SequenceSource(elements),
            count: count,
            options: options,
            collectsFailures: false
        )
        let run = values(job, total: count, options: options)
        while try await run.next() != nil {}
    }

    /// A map without the results that are nil.
    ///
    /// - Throws: as `map`.
    public func compactMap<Source: Sequence, Output: Codable & Sendable>(
        _ elements: sending Source,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        transform: @escaping @concurrent @Sendable (Source.Element) async throws -> Output?
    ) async throws -> [Output] where Source.Element: Codable & Sendable {
        let results = try mapLazy(elements, options: options, fileID: fileID, line: line, transform: transform)
        var kept: [Output] = []
        while let piece = try await results.run.next() { kept += piece.compactMap(\.self) }
        return kept
    }

    /// Combines the results of a map here, as they come.
    ///
    ///     let total = try await swarm.reduce(files, into: 0) { $0 += $1 } transform: { try count(words: $0) }
    ///
    /// - Parameters:
    ///   - elements: what to work on; read on another thread.
    ///   - initial: what to begin with.
    ///   - options: order, times, retries and more.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - combine: takes a result in; runs here, for one result after the other.
    ///   - transform: what to do with an element; travels as a spawned body does.
    /// - Returns: what it has become.
    /// - Throws: as `map`, and what `combine` throws.
    public func reduce<Source: Sequence, Output: Codable & Sendable, Value>(
        _ elements: sending Source,
        into initial: Value,
        options: MapOptions = MapOptions(),
        fileID: String = #fileID,
        line: Int = #line,
        combine: (inout Value, Output) throws -> Void,
        transform: @escaping @concurrent @Sendable (Source.Element) async throws -> Output
    ) async throws -> Value where Source.Element: Codable & Sendable {
        let results = try mapLazy(elements, options: options, fileID: fileID, line: line, transform: transform)
        var value = initial
        while let piece = try await results.run.next() { for output in piece { try combine(&value, output) } }
        return value
    }
}

extension MapRun {
    /// All results, when there are all.
    func all() async throws -> [Element] {
        guard var all = try await next() else { return [] }
        while let piece = try await next() { all += piece }
        return all
    }
}
