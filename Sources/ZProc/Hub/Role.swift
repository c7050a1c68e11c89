// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What the owner of a key may do at a hub; each may also do what those before it may.
public enum Role: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
    /// Read and watch the state.
    case reader
    /// Change the state, and run the tasks that the hub's program has registered.
    case writer
    /// Send closures, and so run any code as the hub's user.
    case runner

    /// Whether the left one may do less.
    public static func < (left: Role, right: Role) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .reader: 0
        case .writer: 1
        case .runner: 2
        }
    }
}
