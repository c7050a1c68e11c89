// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// What a process writes, as it comes, in pieces of any size; ends when the process has.
///
///     for await line in process.standardOutput.lines { … }
///
/// Each piece goes to one reader. When a megabyte has gathered that nobody has read, the process waits at its next
/// write. When the reader leaves its loop or is cancelled, the rest is dropped.
public struct ProcessOutput: AsyncSequence, Sendable {
    let buffer: OutputBuffer?

    /// The pieces.
    public func makeAsyncIterator() -> Iterator { Iterator(reader: buffer.map { Reader($0) }) }

    /// The same, line by line, without the ends of the lines.
    ///
    /// What is no UTF-8 is repaired.
    public var lines: Lines { Lines(output: self) }

    /// Gives piece after piece.
    public struct Iterator: AsyncIteratorProtocol {
        let reader: Reader?

        /// The next piece; nil after the last.
        public mutating func next() async -> [UInt8]? { await reader?.buffer.next() }
    }

    /// Drops the rest when the last of its iterators goes.
    final class Reader: Sendable {
        let buffer: OutputBuffer

        init(_ buffer: OutputBuffer) { self.buffer = buffer }

        deinit { buffer.abandon() }
    }

    /// Lines of what a process writes.
    public struct Lines: AsyncSequence, Sendable {
        let output: ProcessOutput

        /// The lines.
        public func makeAsyncIterator() -> Iterator { Iterator(pieces: output.makeAsyncIterator()) }

        /// Gives line after line.
        public struct Iterator: AsyncIteratorProtocol {
            var pieces: ProcessOutput.Iterator
            private var ready: ArraySlice<[UInt8]> = []
            private var rest: [UInt8] = []

            init(pieces: ProcessOutput.Iterator) { self.pieces = pieces }

            /// The next line; nil after the last.
            public mutating func next() async -> String? {
                while ready.isEmpty {
                    guard let piece = await pieces.next() else {
                        defer { rest = [] }
                        return rest.isEmpty ? nil : String(decoding: rest, as: UTF8.self)
                    }
                    rest += piece
                    guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { continue }
                    let newline = UInt8(ascii: "\n")
                    ready =
                        rest[..<end].split(separator: newline, omittingEmptySubsequences: false).map(Array.init)[...]
                    rest.removeFirst(end + 1)
                }
                return ready.popFirst().map { String(decoding: $0, as: UTF8.self) }
            }
        }
    }
}

/// What the pump has read for somebody who has not taken it yet.
final class OutputBuffer: Sendable {
    private struct State {
        var pieces: [[UInt8]] = []
        var byteCount = 0
        var waiter: UnsafeContinuation<[UInt8]?, Never>?
        /// Has the pump read on; set while it does not.
        var resume: (@Sendable () -> Void)?
        var isAbandoned = false
        var isFinished = false
    }
    private let state = Mutex(State())

    /// When the process has to wait.
    static let byteLimit = 1 << 20

    /// Takes what was read; false when the pump is to wait until it is told to go on.
    func put(_ piece: [UInt8], resume: @escaping @Sendable () -> Void) -> Bool {
        let (waiter, goesOn) = state.withLock { state -> (UnsafeContinuation<[UInt8]?, Never>?, Bool) in
            if state.isAbandoned { return (nil, true) }
            if let waiter = state.waiter {
                state.waiter = nil
                return (waiter, true)
            }
            state.pieces.append(piece)
            state.byteCount += piece.count
            if state.byteCount < Self.byteLimit { return (nil, true) }
            state.resume = resume
            return (nil, false)
        }
        waiter?.resume(returning: piece)
        return goesOn
    }

    func finish() {
        let waiter = state.withLock { state in
            state.isFinished = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: nil)
    }

    func next() async -> [UInt8]? {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (waiter: UnsafeContinuation<[UInt8]?, Never>) in
                enum Next { case give([UInt8]?), wait }
                let (next, resume) = state.withLock { state -> (Next, (@Sendable () -> Void)?) in
                    if !state.pieces.isEmpty {
                        let piece = state.pieces.removeFirst()
                        state.byteCount -= piece.count
                        guard state.byteCount < Self.byteLimit / 2 else { return (.give(piece), nil) }
                        defer { state.resume = nil }
                        return (.give(piece), state.resume)
                    }
                    // One reader at a time: a second one gets nothing.
                    if state.isFinished || state.isAbandoned || state.waiter != nil { return (.give(nil), nil) }
                    state.waiter = waiter
                    return (.wait, nil)
                }
                resume?()
                if case .give(let piece) = next { waiter.resume(returning: piece) }
                if Task.isCancelled { abandon() }
            }
        } onCancel: {
            abandon()
        }
    }

    func abandon() {
        let (waiter, resume) = state.withLock { state in
            defer {
                state.isAbandoned = true
                state.pieces = []
                state.byteCount = 0
                state.waiter = nil
                state.resume = nil
            }
            return (state.waiter, state.resume)
        }
        waiter?.resume(returning: nil)
        resume?()
    }
}
