// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A swarm cannot do what was asked, or work was lost.
public struct SwarmError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The kind of failure, for code that wants to tell failures apart.
    public struct Code: Hashable, Sendable, Codable, CustomStringConvertible {
        private enum Kind: String, Codable {
            case workerDied, timedOut, noWorkers, closed, noStorage, tooLarge, otherBuild, notFound, nested
        }
        private let kind: Kind

        /// The items ended the workers that they were given to.
        public static var workerDied: Code { Code(kind: .workerDied) }
        /// The items, or all of them together, took too long.
        public static var timedOut: Code { Code(kind: .timedOut) }
        /// No worker could be started.
        public static var noWorkers: Code { Code(kind: .noWorkers) }
        /// The swarm, or its context, has ended.
        public static var closed: Code { Code(kind: .closed) }
        /// There is no storage, or one of another type.
        public static var noStorage: Code { Code(kind: .noStorage) }
        /// The swarm that is to be joined belongs to another build of the program.
        public static var otherBuild: Code { Code(kind: .otherBuild) }
        /// There is no such swarm where one is to be joined.
        public static var notFound: Code { Code(kind: .notFound) }
        /// An item, or a result, is larger than a message may be.
        public static var tooLarge: Code { Code(kind: .tooLarge) }

        /// What a swarm's worker runs waits for the same swarm.
        public static var nested: Code { Code(kind: .nested) }

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What happened and what to do.
    public let message: String
    /// The items it is about, counted from 0 in the order of the input; nil when it is about none.
    public let items: Range<Int>?

    init(_ code: Code, _ message: String, items: Range<Int>? = nil) {
        self.code = code
        self.message = message
        self.items = items
    }

    /// The message.
    public var description: String { message }

    static func otherBuild(_ build: String, here own: String) -> SwarmError {
        SwarmError(
            .otherBuild,
            "the swarm's program is build \(build), this one is \(own); closures travel only within one build: copy "
                + "the same executable to every machine"
        )
    }

    /// Told to a worker that has been given up; those that hear of it end, and are replaced.
    static var workerGone: SwarmError {
        SwarmError(.closed, "the swarm does not know this worker, or has given it up")
    }

    /// Told to a machine that was not heard of for too long; it may ask again.
    static var silent: SwarmError {
        SwarmError(.notFound, "the machine was not heard of for too long; its workers have been given up")
    }

    static var nested: SwarmError {
        SwarmError(
            .nested,
            "what a worker of the swarm runs waits for the same swarm, whose workers may all be waiting like that; use "
                + "another swarm inside, or submit() and wait for the result outside"
        )
    }

    static var hasEnded: SwarmError {
        SwarmError(.closed, "the swarm has ended, with its context or by stop(); make another one")
    }
}
