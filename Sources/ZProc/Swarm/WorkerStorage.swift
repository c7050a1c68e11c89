// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What a worker of a swarm keeps for itself, made once by the swarm's `initializer`.
///
///     let swarm = try context.swarm(workers: 4) { try await Model.load() }
///     let labels = try await swarm.map(images) { image in
///         try WorkerStorage.value(as: Model.self).label(image)
///     }
public struct WorkerStorage: Sendable {
    @TaskLocal static var current: WorkerStorage?

    private let value: any Sendable
    private let number: Int
    /// The swarm whose worker it is, when that is in this process.
    private let swarm: ObjectIdentifier?

    init(_ value: any Sendable, number: Int, swarm: SwarmEngine? = nil) {
        self.value = value
        self.number = number
        self.swarm = swarm.map { ObjectIdentifier($0) }
    }

    /// Whether the present task is one of a worker of this swarm.
    static func isInside(_ swarm: SwarmEngine) -> Bool { current?.swarm == ObjectIdentifier(swarm) }

    /// What the `initializer` of the present worker returned.
    ///
    /// - Throws: ``SwarmError/Code/noStorage`` outside of a worker, and when it is of another type.
    public static func value<Value: Sendable>(as type: Value.Type = Value.self) throws -> Value {
        guard let current else {
            throw SwarmError(.noStorage, "this is no closure that a swarm's worker runs, so there is no \(type) to use")
        }
        guard let value = current.value as? Value else {
            throw SwarmError(
                .noStorage,
                "the swarm's initializer returned a \(Swift.type(of: current.value)), not a \(type)"
            )
        }
        return value
    }

    /// The number of the present worker, unique in its swarm; nil outside of one.
    public static var workerNumber: Int? { current?.number }
}
