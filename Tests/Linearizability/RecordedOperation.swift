// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// One operation of one process: what it asked, what it was told, and when.
///
/// Times are nanoseconds of a clock that all processes share, such as `CLOCK_MONOTONIC` on one machine. Read it just
/// before the call and just after the return: a span that is too wide only makes the checker more lenient, one that is
/// too narrow makes it report what did not happen.
public struct RecordedOperation<Operation: Sendable, Output: Sendable>: Sendable {
    /// The process that called; only transcripts use it, so a process may have several operations under way.
    public var process: Int

    /// When the operation was called.
    public var call: UInt64

    /// When the operation returned; nil when nobody saw it return.
    ///
    /// Such an operation took effect at some time after its call, or never will. This is also how to record one that
    /// threw an error which leaves that open, such as a timeout.
    public var `return`: UInt64?

    /// What was asked.
    public var operation: Operation

    /// What was answered; nil when nobody knows.
    ///
    /// It counts only together with a return.
    public var output: Output?

    /// Makes a record.
    public init(process: Int, call: UInt64, return: UInt64?, operation: Operation, output: Output?) {
        self.process = process
        self.call = call
        self.return = `return`
        self.operation = operation
        self.output = output
    }
}

extension RecordedOperation: Equatable where Operation: Equatable, Output: Equatable {}

extension RecordedOperation: Encodable where Operation: Encodable, Output: Encodable {}

extension RecordedOperation: Decodable where Operation: Decodable, Output: Decodable {}
