// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// Where a state lives, and where processes of the same machine can get at it directly.
struct StateHome: Hashable, Sendable {
    var address: NodeAddress
    /// Nil when the state is in the memory of its own process, or messages are to be used.
    var store: StoreReference?
}

/// On its way an array, for the reason that `ProcessJob` is one: `[endpoint, node]`, and the file and its number, if any.
extension StateHome: Codable {
    init(from decoder: any Decoder) throws {
        var fields = try decoder.unkeyedContainer()
        address = NodeAddress(endpoint: try fields.decode(Endpoint.self), node: try fields.decode(NodeID.self))
        if let path = try fields.decodeIfPresent(String.self) {
            store = StoreReference(path: path, number: try fields.decode(UInt64.self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.unkeyedContainer()
        try fields.encode(address.endpoint)
        try fields.encode(address.node)
        guard let store else { return }
        try fields.encode(store.path)
        try fields.encode(store.number)
    }
}

/// A state in memory, or on a disk, that processes of one machine share.
struct StoreReference: Hashable, Sendable {
    /// The state's file.
    var path: String
    /// A number made for this opening of it: a file of the same name on another machine has another.
    var number: UInt64
}
