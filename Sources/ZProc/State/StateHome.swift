// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// Where a state lives, and where processes of the same machine can get at it directly.
struct StateHome: Hashable, Sendable, Codable {
    var address: NodeAddress
    /// Nil when the state is in the memory of its own process, or messages are to be used.
    var store: StoreReference?
}

/// A state in memory, or on a disk, that processes of one machine share.
struct StoreReference: Hashable, Sendable, Codable {
    /// The state's file.
    var path: String
    /// A number made for this opening of it: a file of the same name on another machine has another.
    var number: UInt64
}
