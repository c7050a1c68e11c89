// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// An object as it behaves when one operation runs after the other.
public protocol SequentialModel {
    /// What may be asked of the object.
    ///
    /// When it is `Hashable`, operations without a return that are equal are tried in one order only, which keeps
    /// histories with many killed processes cheap to check.
    associatedtype Operation: Sendable

    /// What an operation answers.
    associatedtype Output: Sendable

    /// What the object remembers between operations.
    associatedtype State: Hashable

    /// The state that each partition begins with.
    static var initial: State { get }

    /// The state after `operation`, or nil when the operation cannot answer `output` in this state.
    ///
    /// - Parameters:
    ///   - state: The state before.
    ///   - operation: What is asked.
    ///   - output: What was answered; nil when nobody saw the answer, so that any is right.
    /// - Returns: The state afterwards, if there is one.
    static func step(_ state: State, _ operation: Operation, _ output: Output?) -> State?

    /// The name of the part of the object that `operation` touches; operations on different parts are independent.
    ///
    /// Linearizability is local (Herlihy and Wing, 1990): a history has an order when each part of it has one. One
    /// operation that gives nil, because it touches everything, makes the whole history one partition.
    static func partition(_ operation: Operation) -> String?
}
