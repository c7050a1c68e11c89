// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// The result of a task that was submitted, found again by its id from every process that shares the state.
///
///     let result = try await swarm.submit(text) { try await summary(of: $0) }
///     …
///     let summary = try await context.taskResult(result.id, of: String.self).take()
///
/// The value is kept in the shared state, in the namespace `zproc.results`, until it is taken, released or expired; where
/// the state outlives the program, so does the result. A value has at most ``StateLimits/valueByteCount`` bytes.
public struct TaskResult<Output: Codable & Sendable>: Sendable, Codable {
    /// Names the task.
    public let id: String
    private let results: SharedState

    init(id: String, in results: SharedState) {
        self.id = id
        self.results = results
    }

    /// What the task returned.
    ///
    /// Waits for it, and leaves it where it is.
    ///
    /// - Throws: what the task threw, as the same type when that is `Codable`; ``TaskResultError`` when there is nothing
    ///   of that id, or its program ended before the task did; `CancellationError`.
    public var value: Output {
        get async throws { try await record().value() }
    }

    /// What the task returned, which is forgotten then; waits for it.
    ///
    /// - Throws: as ``value``; a result that somebody else has taken is unknown.
    public func take() async throws -> Output {
        _ = try await record()
        guard let record = try await results.remove(id, as: TaskRecord<Output>.self) else {
            throw TaskResultError(.unknown, id)
        }
        return try record.value()
    }

    /// Whether the task has ended.
    ///
    /// - Throws: ``TaskResultError`` when there is nothing of that id.
    public var isDone: Bool {
        get async throws {
            guard let info = try await results.get(id, as: TaskInfo.self) else { throw TaskResultError(.unknown, id) }
            return info.isDone
        }
    }

    /// Forgets the value, also that of a task which still runs.
    public func release() async throws { try await results.remove(id) }

    /// The record of the task's end.
    private func record() async throws -> TaskRecord<Output> {
        while let info = try await results.get(id, as: TaskInfo.self) {
            if info.isDone {
                guard let record = try await results.get(id, as: TaskRecord<Output>.self) else { break }
                if !record.info.hasExpired { return record }
                try await release()
                break
            }
            guard info.owner.lives else { throw TaskResultError(.lost, id) }
            do {
                try await results.first(id, notEquals: info, timeout: .seconds(1))
            } catch let error as StateError where error.code == .timedOut {
                // An owner that dies changes nothing: it is looked at now and then.
            }
        }
        throw TaskResultError(.unknown, id)
    }
}

/// There is no such result.
public struct TaskResultError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The kind of failure, for code that wants to tell failures apart.
    public struct Code: Hashable, Sendable, Codable, CustomStringConvertible {
        private enum Kind: String, Codable { case unknown, lost }
        private let kind: Kind

        /// No task has that id, or its result was taken, released or has expired.
        public static var unknown: Code { Code(kind: .unknown) }
        /// The program that worked on the task ended before the task did.
        public static var lost: Code { Code(kind: .lost) }

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// Which task.
    public let id: String

    init(_ code: Code, _ id: String) {
        self.code = code
        self.id = id
    }

    /// One line.
    public var description: String {
        code == .lost
            ? "the program that worked on task \(id) ended before the task did; submit it again"
            : "there is no result \(id): it was taken, released or has expired, or never was"
    }
}

/// A task whose result is kept, as ``Context/taskResults()`` lists it.
public struct TaskResultInfo: Hashable, Sendable {
    /// Names the task.
    public let id: String
    /// The label given to `submit`, if one was.
    public let label: String?
    /// Whether it has ended.
    public let isDone: Bool
    /// Whether it can no longer end, because its program has.
    public let isLost: Bool
}

extension Context {
    /// The result of a task that was submitted, by anybody who shares the state.
    ///
    /// Looks at nothing yet.
    ///
    /// - Parameters:
    ///   - id: that of the result `submit` gave.
    ///   - type: what the task returns.
    /// - Returns: the result.
    public func taskResult<Output>(_ id: String, of type: Output.Type = Output.self) -> TaskResult<Output> {
        TaskResult(id: id, in: taskResultState)
    }

    /// All tasks whose results are kept, those that still run included; expired ones are forgotten.
    ///
    /// - Returns: the tasks, in the order of their ids.
    public func taskResults() async throws -> [TaskResultInfo] {
        let results = taskResultState
        var list: [TaskResultInfo] = []
        for id in try await results.keys() {
            guard let info = try await results.get(id, as: TaskInfo.self) else { continue }
            if info.hasExpired {
                try await results.remove(id)
            } else {
                list.append(
                    TaskResultInfo(
                        id: id,
                        label: info.label,
                        isDone: info.isDone,
                        isLost: !info.isDone && !info.owner.lives
                    )
                )
            }
        }
        return list
    }

    var taskResultState: SharedState { state(namespace: "zproc.results") }
}
